#include "ops/reduce.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/node.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

TEST_CASE("sum and weighted_sum are good to one rounding at odd lengths and unaligned views") {
  for (Device* device : test::devices())
    for (const int64_t n : {0, 1, 31, 32, 33, 257, 40003}) {
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

TEST_CASE("weighted_sum names operands that do not match") {
  Device& dev = test::cpu();
  CHECK_THROWS_WITH_AS(ops::weighted_sum(Tensor::zeros({2}, DType::f32, dev), Tensor::zeros({3}, DType::f32, dev)),
                       "weighted_sum: f32 [2] cpu and f32 [3] cpu do not match", Error);
}
