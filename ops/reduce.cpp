#include "ops/reduce.h"

#include "autograd/node.h"
#include "cpu/elementwise.h"
#include "cpu/reduce.h"
#include "cuda/elementwise.h"
#include "cuda/reduce.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;

struct SumNode final : Node {
  Shape shape;
  explicit SumNode(const Shape& s) : Node("sum"), shape(s) {}
  Cost cost(const Grads& dy) const override {
    return {.bytes_written = static_cast<double>(shape.numel() * dtype_bytes(dy[0].dtype()))};
  }
  Grads backward(const Grads& dy) override {
    Tensor dx = Tensor::empty(shape, dy[0].dtype(), dy[0].device());
    on_device(
        name(), dx,
        [&](auto t) {
          using T = decltype(t);
          const T value = dy[0].data<T>()[0];
          dx.device().fill(dx.mutable_raw(), &value, sizeof value, dx.numel());
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::broadcast(device.stream(), dy[0].data<T>(), dx.mutable_data<T>(), dx.numel());
        });
    return {dx};
  }
};

struct WeightedSumNode final : Node {
  Saved w;
  explicit WeightedSumNode(const Tensor& weight) : Node("weighted_sum"), w(weight) {}
  Cost cost(const Grads&) const override { return map_cost(w.get(name()), 1); }
  Grads backward(const Grads& dy) override {
    const Tensor& weight = w.get(name());
    Tensor dx = Tensor::empty(weight.shape(), weight.dtype(), weight.device());
    on_device(
        name(), weight,
        [&](auto t) {
          using T = decltype(t);
          cpu::scale(weight.data<T>(), dy[0].data<T>()[0], dx.mutable_data<T>(), dx.numel());
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::scale_by(device.stream(), weight.data<T>(), dy[0].data<T>(), dx.mutable_data<T>(), dx.numel());
        });
    return {dx};
  }
};

}  // namespace

Tensor sum(const Tensor& x) {
  check_float("sum", "x", x);
  const ProfileSpan span(x.device(), "sum", [&] { return detail(x, map_cost(x, 1, 0, 0)); });
  Tensor y = Tensor::empty({1}, x.dtype(), x.device());
  on_device(
      "sum", x,
      [&](auto t) {
        using T = decltype(t);
        y.mutable_data<T>()[0] = cpu::sum(x.data<T>(), x.numel());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = Tensor::empty({cuda::kSumParts}, DType::f64, device);
        cuda::sum(device.stream(), x.data<T>(), y.mutable_data<T>(), parts.mutable_data<double>(), x.numel());
      });
  return autograd::record<SumNode>(y, {x}, x.shape());
}

Tensor weighted_sum(const Tensor& x, const Tensor& w) {
  check_float("weighted_sum", "x", x);
  AZ_CHECK(x.shape() == w.shape() && x.dtype() == w.dtype(), "weighted_sum: {} and {} do not match", x.str(), w.str());
  check_same_device("weighted_sum", x, w);
  const ProfileSpan span(x.device(), "weighted_sum", [&] { return detail(x, map_cost(x, 2, 1, 0)); });
  Tensor y = Tensor::empty({1}, x.dtype(), x.device());
  on_device(
      "weighted_sum", x,
      [&](auto t) {
        using T = decltype(t);
        y.mutable_data<T>()[0] = cpu::dot(x.data<T>(), w.data<T>(), x.numel());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = Tensor::empty({cuda::kSumParts}, DType::f64, device);
        cuda::dot(device.stream(), x.data<T>(), w.data<T>(), y.mutable_data<T>(), parts.mutable_data<double>(),
                  x.numel());
      });
  return autograd::record<WeightedSumNode>(y, {x}, w);
}

}  // namespace az::ops
