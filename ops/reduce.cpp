#include "ops/reduce.h"

#include "autograd/node.h"
#include "cpu/elementwise.h"
#include "cpu/reduce.h"
#include "ops/dispatch.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;

struct SumNode final : Node {
  Shape shape;
  explicit SumNode(const Shape& s) : Node("sum"), shape(s) {}
  Grads backward(const Grads& dy) override {
    return {Tensor::full(shape, dy[0].item(), dy[0].dtype(), dy[0].device())};
  }
};

struct WeightedSumNode final : Node {
  Saved w;
  explicit WeightedSumNode(const Tensor& weight) : Node("weighted_sum"), w(weight) {}
  Grads backward(const Grads& dy) override {
    const Tensor& weight = w.get(name());
    Tensor dx = Tensor::empty(weight.shape(), weight.dtype(), weight.device());
    on_cpu(name(), weight, [&](auto t) {
      using T = decltype(t);
      cpu::scale(weight.data<T>(), dy[0].data<T>()[0], dx.mutable_data<T>(), dx.numel());
    });
    return {dx};
  }
};

}  // namespace

Tensor sum(const Tensor& x) {
  check_float("sum", "x", x);
  Tensor y = Tensor::empty({1}, x.dtype(), x.device());
  on_cpu("sum", x, [&](auto t) {
    using T = decltype(t);
    y.mutable_data<T>()[0] = cpu::sum(x.data<T>(), x.numel());
  });
  return autograd::record<SumNode>(y, {x}, x.shape());
}

Tensor weighted_sum(const Tensor& x, const Tensor& w) {
  check_float("weighted_sum", "x", x);
  AZ_CHECK(x.shape() == w.shape() && x.dtype() == w.dtype(), "weighted_sum: {} and {} do not match", x.str(), w.str());
  Tensor y = Tensor::empty({1}, x.dtype(), x.device());
  on_cpu("weighted_sum", x, [&](auto t) {
    using T = decltype(t);
    y.mutable_data<T>()[0] = cpu::dot(x.data<T>(), w.data<T>(), x.numel());
  });
  return autograd::record<WeightedSumNode>(y, {x}, w);
}

}  // namespace az::ops
