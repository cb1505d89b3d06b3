#include "ops/resize.h"

#include <algorithm>

#include "autograd/node.h"
#include "autograd/onnx.h"
#include "cpu/resize.h"
#include "cuda/resize.h"
#include "ops/cast.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using math::Resize;

/// Four products and three sums an output where neighbours are blended; the gradient reads and writes the other way.
Cost resize_cost(Resize how, const math::ResizeShape& s, DType dtype, bool backward) {
  const auto element = static_cast<double>(dtype_bytes(dtype));
  const double in = element * static_cast<double>(s.images * s.h_in * s.w_in * s.channels);
  const double out = element * static_cast<double>(s.images * s.h_out * s.w_out * s.channels);
  return {.flops = how == Resize::nearest ? 0 : 7 * out / element,
          .bytes_read = backward ? out : in,
          .bytes_written = backward ? in : out};
}

struct ResizeNode final : Node {
  Resize how;
  math::ResizeShape shape;
  ResizeNode(const char* name, Resize h, const math::ResizeShape& s) : Node(name), how(h), shape(s) {}
  Grads backward(const Grads& dy) override {
    Tensor dx = Tensor::empty({shape.images, shape.h_in, shape.w_in, shape.channels}, dy[0].dtype(), dy[0].device());
    on_device_bf16(
        name(), dy[0],
        [&](auto t) {
          using T = decltype(t);
          cpu::resize_backward(how, dy[0].data<T>(), dx.mutable_data<T>(), shape);
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::resize_backward(device.stream(), how, dy[0].data<T>(), dx.mutable_data<T>(), shape);
        });
    return {dx};
  }
  Cost cost(const Grads& dy) const override { return resize_cost(how, shape, dy[0].dtype(), true); }
  void onnx(autograd::OnnxRule& rule) const override {
    if (how != Resize::nearest) return Node::onnx(rule);
    rule.result(rule.nearest(rule.input(0), {shape.images, shape.h_out, shape.w_out, shape.channels}));
  }
};

Tensor resized(const char* op, Resize how, const Tensor& x, int64_t h, int64_t w) {
  check_activation(op, "x", x);
  AZ_CHECK(x.rank() == 4 && x.dim(1) > 0 && x.dim(2) > 0, "{}: x is {}, want [n, h, w, c] with pixels", op, x.str());
  AZ_CHECK(h > 0 && w > 0, "{}: cannot resize x {} to {} x {}; want a height and width of 1 or more", op, x.str(), h,
           w);
  check_map_size(op, x, x.dim(0) * std::max(x.dim(1), h), std::max(x.dim(2), w) * x.dim(3));
  if (is_host_f16(x)) return cast(resized(op, how, cast(x, DType::f32), h, w), x.dtype());
  const math::ResizeShape shape{x.dim(0), x.dim(1), x.dim(2), x.dim(3), h, w};
  const ProfileSpan span(x.device(), op, [&] { return detail(x, resize_cost(how, shape, x.dtype(), false)); });
  Tensor y = Tensor::empty({shape.images, h, w, shape.channels}, x.dtype(), x.device());
  on_device_bf16(
      op, x,
      [&](auto t) {
        using T = decltype(t);
        cpu::resize(how, x.data<T>(), y.mutable_data<T>(), shape);
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::resize(device.stream(), how, x.data<T>(), y.mutable_data<T>(), shape);
      });
  return autograd::record<ResizeNode>(y, {x}, op, how, shape);
}

}  // namespace

Tensor resize_nearest(const Tensor& x, int64_t h, int64_t w) {
  return resized("resize_nearest", Resize::nearest, x, h, w);
}

Tensor resize_bilinear(const Tensor& x, int64_t h, int64_t w, bool align_corners) {
  return resized("resize_bilinear", align_corners ? Resize::bilinear_aligned : Resize::bilinear, x, h, w);
}

}  // namespace az::ops
