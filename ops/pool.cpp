#include "ops/pool.h"

#include "autograd/node.h"
#include "autograd/onnx.h"
#include "cpu/pool.h"
#include "cuda/pool.h"
#include "ops/cast.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;

constexpr const char* kOp = "max_pool";

struct MaxPoolNode final : Node {
  Tensor tap;  // which place of its window each output came from
  math::PoolShape shape;
  MaxPoolNode(Tensor places, const math::PoolShape& s) : Node("max_pool"), tap(std::move(places)), shape(s) {}
  Grads backward(const Grads& dy) override {
    Tensor dx = Tensor::empty({shape.images, shape.h_in, shape.w_in, shape.channels}, dy[0].dtype(), dy[0].device());
    on_device_bf16(
        name(), dy[0],
        [&](auto t) {
          using T = decltype(t);
          cpu::max_pool_backward(dy[0].data<T>(), tap.data<uint8_t>(), dx.mutable_data<T>(), shape);
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::max_pool_backward(device.stream(), dy[0].data<T>(), tap.data<uint8_t>(), dx.mutable_data<T>(), shape);
        });
    return {dx};
  }
  Cost cost(const Grads& dy) const override {
    const auto written = static_cast<double>(shape.images * shape.h_in * shape.w_in * shape.channels);
    return {.flops = static_cast<double>(dy[0].numel()),
            .bytes_read = bytes_of(dy[0]) + bytes_of(tap),
            .bytes_written = written * static_cast<double>(dtype_bytes(dy[0].dtype()))};
  }
  void onnx(autograd::OnnxRule& rule) const override {
    const math::Windows& at = shape.windows;
    rule.result(rule.add("MaxPool", {rule.input(0)},
                         {{"kernel_shape", std::vector<int64_t>(2, at.kernel)},
                          {"pads", std::vector<int64_t>(4, at.padding)},
                          {"strides", std::vector<int64_t>(2, at.stride)}}));
  }
};

}  // namespace

math::PoolShape pool_shape(const Shape& x, const MaxPool& pool) {
  const auto [kernel, stride, padding] = pool;
  AZ_CHECK(x.rank() == 4, "{}: x is {}, want [n, h, w, c]", kOp, x.str());
  AZ_CHECK(kernel >= 1 && kernel <= 15 && stride >= 1 && padding >= 0 && padding <= kernel / 2,
           "{}: kernel {}, stride {}, padding {}; want kernel 1..15, stride >= 1 and padding 0..kernel/2", kOp, kernel,
           stride, padding);
  const math::Windows windows{kernel, stride, padding};
  const math::PoolShape shape{x[0], x[1], x[2], x[3], windows.count(x[1]), windows.count(x[2]), windows};
  AZ_CHECK(shape.h_in > 0 && shape.w_in > 0 && shape.h_out > 0 && shape.w_out > 0,
           "{}: no window of {} with padding {} fits into x {}", kOp, kernel, padding, x.str());
  return shape;
}

Tensor max_pool(const Tensor& x, const MaxPool& pool) {
  const char* op = kOp;
  check_activation(op, "x", x);
  const math::PoolShape shape = pool_shape(x.shape(), pool);
  check_map_size(op, x, shape.images * shape.h_in, shape.w_in * shape.channels);
  if (is_host_f16(x)) return cast(max_pool(cast(x, DType::f32), pool), x.dtype());
  const ProfileSpan span(x.device(), op, [&] {
    const auto count = static_cast<double>(shape.images * shape.h_out * shape.w_out * shape.channels);
    return detail(x, {.flops = count * pool.kernel * pool.kernel,
                      .bytes_read = bytes_of(x),
                      .bytes_written = count * static_cast<double>(dtype_bytes(x.dtype()) + 1)});
  });
  const Shape out{shape.images, shape.h_out, shape.w_out, shape.channels};
  Tensor y = Tensor::empty(out, x.dtype(), x.device());
  // Only backward reads the taps; the CUDA kernel always writes them.
  const bool keeps_taps = x.device().kind() != DeviceKind::cpu || autograd::wants_record({x});
  Tensor tap = keeps_taps ? Tensor::empty(out, DType::u8, x.device()) : Tensor();
  on_device_bf16(
      op, x,
      [&](auto t) {
        using T = decltype(t);
        cpu::max_pool(x.data<T>(), y.mutable_data<T>(), keeps_taps ? tap.mutable_data<uint8_t>() : nullptr, shape);
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::max_pool(device.stream(), x.data<T>(), y.mutable_data<T>(), tap.mutable_data<uint8_t>(), shape);
      });
  return autograd::record<MaxPoolNode>(y, {x}, tap, shape);
}

}  // namespace az::ops
