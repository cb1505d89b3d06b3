#include "ops/xcorr.h"

#include "autograd/node.h"
#include "autograd/onnx.h"
#include "cpu/xcorr.h"
#include "cuda/xcorr.h"
#include "ops/cast.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;

double xcorr_flops(const math::XcorrShape& s) {
  return 2.0 * static_cast<double>(s.images * s.h_out() * s.w_out() * s.channels * s.kh * s.kw);
}

struct XcorrNode final : Node {
  Saved search, kernel;
  math::XcorrShape shape;
  XcorrNode(const Tensor& x, const Tensor& k, const math::XcorrShape& s)
      : Node("xcorr_depthwise"), search(x), kernel(k), shape(s) {}
  Grads backward(const Grads& dy) override {
    Grads grads(2);
    if (needs(0)) grads[0] = search_gradient(dy[0]);
    if (needs(1)) grads[1] = kernel_gradient(dy[0]);
    return grads;
  }
  Cost cost(const Grads& dy) const override {
    return {
        .flops = xcorr_flops(shape) * (int{needs(0)} + int{needs(1)}),
        .bytes_read = bytes_of(dy[0]) + bytes_of(search.get(name())) + bytes_of(kernel.get(name())),
        .bytes_written = bytes_of(search.get(name())) * int{needs(0)} + bytes_of(kernel.get(name())) * int{needs(1)}};
  }
  /// Each channel of each image is a group of its own. A kernel for each image takes the images as channels of one.
  void onnx(autograd::OnnxRule& rule) const override {
    const math::XcorrShape& s = shape;
    const bool own = s.kernels() > 1;
    const int64_t groups = s.kernels() * s.channels, images = own ? 1 : s.images;
    const std::string kernels = rule.add("Reshape", {rule.input(1), rule.integers({groups, 1, s.kh, s.kw})});
    std::string x = rule.input(0);
    if (own) x = rule.add("Reshape", {x, rule.integers({images, groups, s.h, s.w})});
    std::string y = rule.add("Conv", {x, kernels}, {{"group", groups}, {"kernel_shape", std::vector{s.kh, s.kw}}});
    if (own) y = rule.add("Reshape", {y, rule.integers({s.images, s.channels, s.h_out(), s.w_out()})});
    rule.result(y);
  }
  Tensor search_gradient(const Tensor& dy) const {
    const Tensor& k = kernel.get(name());
    Tensor dx = Tensor::empty({shape.images, shape.h, shape.w, shape.channels}, dy.dtype(), dy.device());
    on_device_half(
        name(), dy,
        [&](auto t) {
          using T = decltype(t);
          cpu::xcorr_backward_search(dy.data<T>(), k.data<T>(), dx.mutable_data<T>(), shape);
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::xcorr_backward_search(device.stream(), dy.data<T>(), k.data<T>(), dx.mutable_data<T>(), shape);
        });
    return dx;
  }
  Tensor kernel_gradient(const Tensor& dy) const {
    const Tensor& x = search.get(name());
    Tensor dk = Tensor::empty({shape.kernels(), shape.kh, shape.kw, shape.channels}, dy.dtype(), dy.device());
    on_device_half(
        name(), dy,
        [&](auto t) {
          using T = decltype(t);
          cpu::xcorr_backward_kernel(x.data<T>(), dy.data<T>(), dk.mutable_data<T>(), shape);
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          Tensor parts = Tensor::empty({cuda::xcorr_parts(shape)}, dtype_of<Wide<T>>, dy.device());
          cuda::xcorr_backward_kernel(device.stream(), x.data<T>(), dy.data<T>(),
                                      parts.template mutable_data<Wide<T>>(), dk.mutable_data<T>(), shape);
        });
    return dk;
  }
};

math::XcorrShape checked_shape(const char* op, const Tensor& search, const Tensor& kernel) {
  const auto is_float = [](const Tensor& t) {
    return t.defined() && (t.dtype() == DType::f32 || t.dtype() == DType::f64 || is_half(t.dtype()));
  };
  AZ_CHECK(is_float(search) && search.rank() == 4, "{}: search is {}, want f32, bf16, f16 or f64 [n, h, w, c]", op,
           search.str());
  AZ_CHECK(kernel.defined() && kernel.dtype() == search.dtype() && kernel.rank() == 4,
           "{}: kernel is {}, want {} [n or 1, kh, kw, c]", op, kernel.str(), dtype_name(search.dtype()));
  check_same_device(op, search, kernel);
  const math::XcorrShape shape{search.dim(0),
                               search.dim(1),
                               search.dim(2),
                               search.dim(3),
                               kernel.dim(1),
                               kernel.dim(2),
                               kernel.dim(0) == 1 && search.dim(0) != 1};
  AZ_CHECK(kernel.dim(3) == shape.channels, "{}: kernel has {} channels, search has {}", op, kernel.dim(3),
           shape.channels);
  AZ_CHECK(kernel.dim(0) == shape.kernels(), "{}: {} kernels for {} search features, want as many or 1", op,
           kernel.dim(0), shape.images);
  AZ_CHECK(shape.kh >= 1 && shape.kw >= 1 && shape.h_out() >= 1 && shape.w_out() >= 1,
           "{}: a kernel of {}x{} does not fit into a search feature of {}x{}", op, shape.kh, shape.kw, shape.h,
           shape.w);
  // Positions inside one image are 32-bit numbers in the kernels.
  AZ_CHECK(shape.search_count() < (int64_t{1} << 31), "{}: search is {}, want fewer than 2^31 elements an image", op,
           search.str());
  return shape;
}

}  // namespace

Tensor xcorr_depthwise(const Tensor& search, const Tensor& kernel) {
  constexpr const char* kOp = "xcorr_depthwise";
  const math::XcorrShape shape = checked_shape(kOp, search, kernel);
  if (is_host_half(search))
    return cast(xcorr_depthwise(cast(search, DType::f32), cast(kernel, DType::f32)), search.dtype());
  const ProfileSpan span(search.device(), kOp, [&] {
    const auto written = static_cast<double>(shape.images * shape.h_out() * shape.w_out() * shape.channels);
    return detail(search, {.flops = xcorr_flops(shape),
                           .bytes_read = bytes_of(search) + bytes_of(kernel),
                           .bytes_written = written * static_cast<double>(dtype_bytes(search.dtype()))});
  });
  Tensor y =
      Tensor::empty({shape.images, shape.h_out(), shape.w_out(), shape.channels}, search.dtype(), search.device());
  on_device_half(
      kOp, search,
      [&](auto t) {
        using T = decltype(t);
        cpu::xcorr(search.data<T>(), kernel.data<T>(), y.mutable_data<T>(), shape);
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::xcorr(device.stream(), search.data<T>(), kernel.data<T>(), y.mutable_data<T>(), shape);
      });
  return autograd::record<XcorrNode>(y, {search, kernel}, search, kernel, shape);
}

}  // namespace az::ops
