#include "ops/reduce.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/node.h"
#include "ops/elementwise.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

TEST_CASE("sum and weighted_sum are good to one rounding at odd lengths and unaligned views") {
  for (Device* device : test::devices(test::Against::reference))
    for (const int64_t n : {0, 1, 31, 32, 33, 257, 40003}) {
      const test::Sizes sizes{n};
      CAPTURE(n);
      const Tensor x = test::uniform({n + 1}, -1, 1, DType::f32, *device, 1).narrowed(1, n);
      const Tensor w = test::uniform({n}, -1, 1, DType::f32, *device, 2);
      double sum = 0, dot = 0;
      const auto vx = x.to_vector<float>(), vw = w.to_vector<float>();
      for (size_t i = 0; i < vx.size(); ++i) {
        sum += double(vx[i]);
        dot += double(vx[i]) * double(vw[i]);
      }
      // Sums in double differ by their order only; then one rounding to f32.
      CHECK(std::abs(ops::sum(x).item() - sum) <= 6e-8 * std::abs(sum) + 1e-11);
      CHECK(std::abs(ops::weighted_sum(x, w).item() - dot) <= 6e-8 * std::abs(dot) + 1e-11);
    }
}

TEST_CASE("gradients of sums are the weights times what comes back") {
  for (Device* device : test::devices())
    for (const int64_t n : {1, 33, 257}) {
      const Tensor x = test::uniform({n}, -1, 1, DType::f64, *device, 3);
      const Tensor w = test::uniform({n}, -1, 1, DType::f64, *device, 4);
      CHECK(test::check_gradients([](const auto& in) { return ops::sum(in[0]); }, {x}).worst < 1e-8);
      CHECK(test::check_gradients([&](const auto& in) { return ops::weighted_sum(in[0], w); }, {x}).worst < 1e-8);
    }
}

TEST_CASE("devices agree in sums and their gradients, at odd lengths and from unaligned views") {
  const auto run = [](Device& device, int64_t n, DType dtype) {
    Tensor x = test::uniform({n + 1}, -1, 1, dtype, device, 5).narrowed(1, n);
    const Tensor w = test::uniform({n + 1}, -1, 1, dtype, device, 6).narrowed(1, n);
    autograd::set_requires_grad(x, true);
    const Tensor sum = ops::sum(x), dot = ops::weighted_sum(x, w);
    autograd::backward(ops::scale(sum, 3));
    const Tensor first = autograd::grad(x).clone();
    autograd::clear_grad(x);
    autograd::backward(ops::scale(dot, 0.5));
    std::vector<std::vector<double>> results;
    for (const Tensor& t : {sum, dot, first, autograd::grad(x), w})
      results.push_back(t.to(DType::f64).to_vector<double>());
    return results;
  };
  for (Device* device : test::devices(test::Against::both))
    for (const int64_t n : {0, 1, 31, 32, 33, 257, 40003})
      for (const DType dtype : {DType::f32, DType::f64}) {
        CAPTURE(n);
        const test::Sizes sizes{n};
        const auto got = run(*device, n, dtype), want = run(test::cpu(), n, dtype);
        // Sums in double differ by their order only; then one rounding to f32.
        const double off = dtype == DType::f32 ? 1.2e-7 : 1e-15;
        for (const size_t i : {0, 1}) CHECK(std::abs(got[i][0] - want[i][0]) <= off * std::abs(want[i][0]) + 1e-11);
        CHECK(got[2] == want[2]);
        CHECK(got[2] == std::vector<double>(static_cast<size_t>(n), 3));
        CHECK(got[3] == want[3]);
        for (size_t i = 0; i < got[3].size(); ++i) CHECK(got[3][i] == 0.5 * got[4][i]);
      }
}

TEST_CASE("weighted_sum names operands that do not match") {
  Device& dev = test::cpu();
  CHECK_THROWS_WITH_AS(ops::weighted_sum(Tensor::zeros({2}, DType::f32, dev), Tensor::zeros({3}, DType::f32, dev)),
                       "weighted_sum: f32 [2] cpu and f32 [3] cpu do not match", Error);
}
