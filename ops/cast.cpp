#include "ops/cast.h"

#include <type_traits>

#include "autograd/node.h"
#include "cpu/elementwise.h"
#include "cuda/elementwise.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;

/// f(T{}) with the element type of a tensor that check_activation passed.
template <class F>
void with_float(DType dtype, const F& f) {
  if (dtype == DType::f32) f(float{});
  if (dtype == DType::bf16) f(bf16{});
  if (dtype == DType::f16) f(f16{});
  if (dtype == DType::f64) f(double{});
}

Tensor converted(const Tensor& x, DType to) {
  const ProfileSpan span(x.device(), "cast", [&] {
    const double written = static_cast<double>(x.numel() * dtype_bytes(to));
    return detail(x, {.bytes_read = bytes_of(x), .bytes_written = written});
  });
  Tensor y = Tensor::empty(x.shape(), to, x.device());
  with_float(x.dtype(), [&](auto from) {
    with_float(to, [&](auto element) {
      using From = decltype(from);
      using To = decltype(element);
      if constexpr (!std::is_same_v<From, To>)
        by_device(
            "cast", x, [&] { cpu::cast(x.data<From>(), y.mutable_data<To>(), x.numel()); },
            [&](auto& device) { cuda::cast(device.stream(), x.data<From>(), y.mutable_data<To>(), x.numel()); });
    });
  });
  return y;
}

struct CastNode final : Node {
  DType from;
  explicit CastNode(DType f) : Node("cast"), from(f) {}
  Grads backward(const Grads& dy) override { return {converted(dy[0], from)}; }
  Cost cost(const Grads&) const override { return {}; }  // converted() reports it
};

}  // namespace

Tensor cast(const Tensor& x, DType to) {
  check_activation("cast", "x", x);
  AZ_CHECK(to == DType::f32 || is_half(to) || to == DType::f64, "cast: {} to {}, want f32, bf16, f16 or f64", x.str(),
           dtype_name(to));
  if (x.dtype() == to) return x;
  return autograd::record<CastNode>(converted(x, to), {x}, x.dtype());
}

bool is_host_half(const Tensor& x) { return x.defined() && is_half(x.dtype()) && x.device().kind() == DeviceKind::cpu; }

bool is_host_f16(const Tensor& x) { return is_host_half(x) && x.dtype() == DType::f16; }

}  // namespace az::ops
