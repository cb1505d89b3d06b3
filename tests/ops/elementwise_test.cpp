#include "ops/elementwise.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/node.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

const std::vector<int64_t> kLengths = {0, 1, 31, 32, 33, 257, 40000};

template <class Op, class F>
void check_map(Op op, F reference, double tolerance) {
  for (Device* device : test::devices())
    for (const int64_t n : kLengths) {
      CAPTURE(n);
      const Tensor x = test::uniform({n}, -6, 6, DType::f32, *device);
      const auto y = op(x).template to_vector<float>();
      const auto in = x.to_vector<float>();
      for (size_t i = 0; i < y.size(); ++i) {
        const double want = reference(static_cast<double>(in[i]));
        CHECK(std::abs(y[i] - want) <= tolerance * std::max(1.0, std::abs(want)));
      }
      if (n > 0) {
        const auto check = test::check_gradients([&](const auto& in) { return op(in[0]); }, {x.to(DType::f64)});
        CHECK_MESSAGE(check.worst < 1e-7, check.where);
      }
    }
}

}  // namespace

TEST_CASE("maps agree with their formulas and their own differences") {
  // 2e-7: expf is good to 1 ulp, and one division follows.
  check_map([](const Tensor& x) { return ops::exp(x); }, [](double v) { return std::exp(v); }, 2e-7);
  check_map([](const Tensor& x) { return ops::sigmoid(x); }, [](double v) { return 1 / (1 + std::exp(-v)); }, 2e-7);
  check_map([](const Tensor& x) { return ops::relu(x); }, [](double v) { return v > 0 ? v : 0; }, 0);
  check_map([](const Tensor& x) { return ops::scale(x, -2.5); }, [](double v) { return -2.5 * v; }, 1e-7);
}

TEST_CASE("add, exp_scaled, reshape, narrow and concat_levels have the right gradients") {
  Device& dev = test::cpu();
  const Tensor a = test::uniform({3, 5}, -1, 1, DType::f64, dev, 1);
  const Tensor b = test::uniform({3, 5}, -1, 1, DType::f64, dev, 2);
  const Tensor s = test::uniform({1}, 0.5, 1, DType::f64, dev, 3);
  CHECK(test::check_gradients([](const auto& in) { return ops::add(in[0], in[1]); }, {a, b}).worst < 1e-8);
  CHECK(test::check_gradients([](const auto& in) { return ops::exp_scaled(in[0], in[1]); }, {a, s}).worst < 1e-7);
  const auto limited = [](const auto& in) { return ops::exp_scaled(in[0], in[1], 0.3); };
  CHECK(test::check_gradients(limited, {a, s}).worst < 1e-7);
  CHECK(test::check_gradients(
            [](const auto& in) {
              return ops::narrow(ops::reshape(in[0], {5, 3}), 1, 2);
            },
            {a})
            .worst < 1e-8);
  const Tensor p3 = test::uniform({2, 3, 2, 4}, -1, 1, DType::f64, dev, 4);
  const Tensor p4 = test::uniform({2, 1, 2, 4}, -1, 1, DType::f64, dev, 5);
  CHECK(test::check_gradients([](const auto& in) { return ops::concat_levels(in); }, {p3, p4}).worst < 1e-8);
  const auto joined = ops::concat_levels({p3, p4}).to_vector<double>();
  CHECK(joined[(0 * 8 + 6) * 4] == p4.to_vector<double>()[0]);
  CHECK(joined[(1 * 8 + 0) * 4] == p3.to_vector<double>()[6 * 4]);
}

TEST_CASE("a tensor used twice gets the sum of its gradients, and a leaf's gradients add up") {
  Tensor x = Tensor::full({4}, 3.0, DType::f64, test::cpu());
  autograd::set_requires_grad(x, true);
  const auto loss = [&] { return ops::sum(ops::add(ops::scale(x, 2), ops::add(x, x))); };
  autograd::backward(loss());
  CHECK(autograd::grad(x).to_vector<double>()[2] == 4.0);
  autograd::backward(loss());
  CHECK(autograd::grad(x).to_vector<double>()[2] == 8.0);
}

TEST_CASE("an edit in place between forward and backward is an error") {
  Tensor x = Tensor::full({4}, 3.0, DType::f64, test::cpu());
  autograd::set_requires_grad(x, true);
  Tensor y = ops::exp(x);
  const Tensor loss = ops::sum(y);
  y.mutable_data<double>()[0] = 0;
  CHECK_THROWS_WITH_AS(
      autograd::backward(loss),
      "exp: f64 [4] cpu was edited in place after the op saved it for backward; clone it before editing", Error);
}

TEST_CASE("no_grad records nothing, and a step's memory is the same the second time") {
  Tensor x = Tensor::full({64, 64}, 0.1, DType::f32, test::cpu());
  autograd::set_requires_grad(x, true);
  {
    const autograd::NoGrad off;
    CHECK_FALSE(autograd::requires_grad(ops::exp(x)));
  }
  Allocator& memory = test::cpu().allocator();
  const auto step = [&] {
    const StepScope scope(memory, 1);
    Tensor y = x;
    for (int i = 0; i < 5; ++i) y = ops::sigmoid(ops::add(y, x));
    autograd::backward(ops::sum(y));
    autograd::clear_grad(x);
  };
  step();
  step();
  const auto before = memory.stats();
  step();
  const auto after = memory.stats();
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.raw_allocations == before.raw_allocations);
}

TEST_CASE("messages name the op and the shapes") {
  Device& dev = test::cpu();
  CHECK_THROWS_WITH_AS(ops::add(Tensor::zeros({2}, DType::f32, dev), Tensor::zeros({3}, DType::f32, dev)),
                       "add: f32 [2] cpu and f32 [3] cpu do not match", Error);
  CHECK_THROWS_WITH_AS(ops::exp(Tensor::zeros({3}, DType::i32, dev)), "exp: x is i32 [3] cpu, want f32 or f64", Error);
}
