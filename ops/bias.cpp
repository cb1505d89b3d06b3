#include "ops/bias.h"

#include "autograd/node.h"
#include "autograd/onnx.h"
#include "cpu/norm.h"
#include "cpu/reduce.h"
#include "cuda/norm.h"
#include "cuda/reduce.h"
#include "ops/cast.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;

struct AddBiasNode final : Node {
  Saved bias;  // for onnx() alone
  explicit AddBiasNode(const Tensor& b) : Node("add_bias"), bias(b) {}
  Grads backward(const Grads& dy) override {
    if (!needs(1)) return {dy[0], Tensor()};
    const int64_t c = dy[0].dim(3), rows = dy[0].numel() / c;
    Tensor db = Tensor::empty({c}, dy[0].dtype() == DType::f64 ? DType::f64 : DType::f32, dy[0].device());
    on_device_half(
        name(), dy[0],
        [&](auto t) {
          using T = decltype(t);
          cpu::sum_rows(dy[0].data<T>(), db.mutable_data<T>(), rows, c);
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          Tensor parts = Tensor::empty({cuda::sum_rows_parts<T>(rows, c)}, DType::f64, db.device());
          cuda::sum_rows(device.stream(), dy[0].data<T>(), db.mutable_data<Wide<T>>(), parts.mutable_data<double>(),
                         rows, c);
        });
    return {dy[0], db};
  }
  Cost cost(const Grads& dy) const override { return needs(1) ? map_cost(dy[0], 1, 0, 0) : Cost{}; }
  void onnx(autograd::OnnxRule& rule) const override {
    const Tensor& values = bias.get(name());
    const Tensor column = values.reshaped({1, values.numel(), 1, 1});
    rule.result(rule.add("Add", {rule.input(0), rule.constant(rule.name_of(values, "bias"), column)}));
  }
};

}  // namespace

Tensor add_bias(const Tensor& x, const Tensor& bias) {
  check_activation("add_bias", "x", x);
  AZ_CHECK(x.rank() == 4 && x.dim(3) > 0, "add_bias: x is {}, want [n, h, w, c] with c >= 1", x.str());
  const DType wanted = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  AZ_CHECK(bias.defined() && bias.shape() == Shape{x.dim(3)} && bias.dtype() == wanted,
           "add_bias: bias is {}, want {} [{}] for x {}", bias.str(), dtype_name(wanted), x.dim(3), x.str());
  check_same_device("add_bias", x, bias);
  check_map_size("add_bias", x, x.numel() / x.dim(3), x.dim(3));
  if (is_host_half(x)) return cast(add_bias(cast(x, DType::f32), bias), x.dtype());
  const ProfileSpan span(x.device(), "add_bias", [&] { return detail(x, map_cost(x, 1), bias); });
  const int64_t c = x.dim(3);
  const math::NormShape shape{1, x.numel() / c, c, c};
  const Tensor ones = Tensor::full({c}, 1, wanted, x.device());
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  on_device_half(
      "add_bias", x,
      [&](auto t) {
        using T = decltype(t);
        cpu::affine_channels<T>(x.data<T>(), ones.data<T>(), bias.data<T>(), nullptr, false, y.mutable_data<T>(),
                                shape);
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::affine_channels<T>(device.stream(), x.data<T>(), ones.data<Wide<T>>(), bias.data<Wide<T>>(), nullptr,
                                 false, y.mutable_data<T>(), shape);
      });
  return autograd::record<AddBiasNode>(y, {x, bias}, bias);
}

}  // namespace az::ops
