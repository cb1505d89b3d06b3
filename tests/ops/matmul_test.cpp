#include "ops/matmul.h"

#include <doctest/doctest.h>

#include <cmath>

#include "cpu/matmul.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

Tensor random(const Shape& shape, DType dtype, uint64_t seed) {
  return test::uniform(shape, -1, 1, dtype, test::cpu(), seed);
}

/// [rows, columns] with a batch where batch > 0, the two exchanged where transposed.
Shape stored(int64_t batch, int64_t rows, int64_t columns, bool transposed) {
  if (transposed) std::swap(rows, columns);
  return batch > 0 ? Shape{batch, rows, columns} : Shape{rows, columns};
}

}  // namespace

TEST_CASE("matmul agrees with the sum of products, transposed or not, batched or not") {
  for (const int64_t batch : {0, 1, 3})
    for (const auto& [m, n, k] :
         {std::array<int64_t, 3>{1, 1, 1}, {31, 33, 32}, {5, 257, 1}, {64, 1, 129}, {0, 3, 2}, {2, 3, 0}})
      for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
          CAPTURE(batch);
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          const Tensor a = random(stored(batch, m, k, ta), DType::f32, 1);
          const Tensor b = random(stored(batch, k, n, tb), DType::f32, 2);
          const Tensor y = ops::matmul(a, b, ta, tb);
          REQUIRE(y.shape() == stored(batch, m, n, false));
          const auto av = a.to_vector<float>(), bv = b.to_vector<float>(), yv = y.to_vector<float>();
          const auto wide = ops::matmul(a.to(DType::f64), b.to(DType::f64), ta, tb).to_vector<double>();
          double worst = 0, worst_wide = 0;
          for (int64_t at = 0; at < y.numel(); ++at) {
            const int64_t e = at / (m * n), i = at / n % m, j = at % n;
            double want = 0;
            for (int64_t p = 0; p < k; ++p)
              want += static_cast<double>(av[static_cast<size_t>(e * m * k + (ta ? p * m + i : i * k + p))]) *
                      static_cast<double>(bv[static_cast<size_t>(e * k * n + (tb ? j * k + p : p * n + j))]);
            worst = std::max(worst, std::abs(static_cast<double>(yv[static_cast<size_t>(at)]) - want));
            worst_wide = std::max(worst_wide, std::abs(wide[static_cast<size_t>(at)] - want));
          }
          CHECK(worst <= 1e-7 * static_cast<double>(k + 1));  // k roundings of partial sums near 1
          CHECK(worst_wide <= 1e-12);
        }
}

TEST_CASE("oneDNN and the plain twin agree at a real size") {
  const cpu::MatmulShape shape{.batch = 1, .m = 150, .n = 256, .k = 2304};
  const Tensor a = random({150, 2304}, DType::f32, 1), b = random({2304, 256}, DType::f32, 2);
  std::vector<float> want(150 * 256);
  cpu::matmul_plain(shape, a.data<float>(), b.data<float>(), want.data());
  const auto got = ops::matmul(a, b).to_vector<float>();
  float worst = 0;
  for (size_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(got[i] - want[i]));
  CHECK(worst < 1e-4f);  // sums of 2304 products of size 1/3 reach 50; f32 there moves in steps of 4e-6
}

TEST_CASE("gradients of matmul") {
  for (const int64_t batch : {0, 2})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        const auto check = test::check_gradients(
            [&](const auto& in) { return ops::matmul(in[0], in[1], ta, tb); },
            {random(stored(batch, 5, 7, ta), DType::f64, 1), random(stored(batch, 7, 3, tb), DType::f64, 2)});
        CHECK_MESSAGE(check.worst < 1e-8, check.where);
      }
}

TEST_CASE("messages of matmul") {
  Device& dev = test::cpu();
  const Tensor a = Tensor::zeros({3, 2}, DType::f32, dev);
  CHECK_THROWS_WITH_AS(ops::matmul(a, a), "matmul: f32 [3, 2] cpu has 2 columns, f32 [3, 2] cpu has 3 rows", Error);
  CHECK_THROWS_WITH_AS(ops::matmul(a, a, true, true),
                       "matmul: f32 [3, 2] cpu transposed has 3 columns, f32 [3, 2] cpu transposed has 2 rows", Error);
  CHECK_THROWS_WITH_AS(ops::matmul(a, Tensor::zeros({1, 2, 3}, DType::f32, dev)), doctest::Contains("do not match"),
                       Error);
  CHECK_THROWS_WITH_AS(ops::matmul(a, Tensor::zeros({2, 3}, DType::f64, dev)), doctest::Contains("do not match"),
                       Error);
  CHECK_THROWS_WITH_AS(ops::matmul(Tensor::zeros({2, 2}, DType::i32, dev), a),
                       "matmul: a is i32 [2, 2] cpu, want f32 or f64", Error);
}
