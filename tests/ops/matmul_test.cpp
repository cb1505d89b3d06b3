#include "ops/matmul.h"

#include <doctest/doctest.h>

#include <cmath>

#include "cpu/matmul.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

Tensor random(const Shape& shape, DType dtype, uint64_t seed, Device& dev = test::cpu()) {
  return test::uniform(shape, -1, 1, DType::f32, test::cpu(), seed).to(dtype).to(dev);
}

/// The product of the two as they are stored, in double.
std::vector<double> products(const Tensor& a, const Tensor& b, int64_t batch, int64_t m, int64_t n, int64_t k, bool ta,
                             bool tb) {
  const auto av = a.to(DType::f64).to_vector<double>(), bv = b.to(DType::f64).to_vector<double>();
  std::vector<double> want;
  for (int64_t e = 0; e < std::max<int64_t>(batch, 1); ++e)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < k; ++p)
          sum += av[static_cast<size_t>(e * m * k + (ta ? p * m + i : i * k + p))] *
                 bv[static_cast<size_t>(e * k * n + (tb ? j * k + p : p * n + j))];
        want.push_back(sum);
      }
  return want;
}

double worst(const Tensor& got, const std::vector<double>& want) {
  const auto values = got.to(DType::f64).to_vector<double>();
  REQUIRE(values.size() == want.size());
  double error = 0;
  for (size_t i = 0; i < want.size(); ++i) error = std::max(error, std::abs(values[i] - want[i]));
  return error;
}

/// [rows, columns] with a batch where batch > 0, the two exchanged where transposed.
Shape stored(int64_t batch, int64_t rows, int64_t columns, bool transposed) {
  if (transposed) std::swap(rows, columns);
  return batch > 0 ? Shape{batch, rows, columns} : Shape{rows, columns};
}

}  // namespace

TEST_CASE("matmul agrees with the sum of products, transposed or not, batched or not") {
  for (Device* dev : test::devices())
    for (const int64_t batch : {0, 1, 3})
      for (const auto& [m, n, k] :
           {std::array<int64_t, 3>{1, 1, 1}, {31, 33, 32}, {5, 257, 1}, {64, 1, 129}, {0, 3, 2}, {2, 3, 0}})
        for (const bool ta : {false, true})
          for (const bool tb : {false, true})
            for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64}) {
              CAPTURE(dev->name());
              CAPTURE(batch);
              CAPTURE(m);
              CAPTURE(n);
              CAPTURE(k);
              const Tensor a = random(stored(batch, m, k, ta), dtype, 1, *dev);
              const Tensor b = random(stored(batch, k, n, tb), dtype, 2, *dev);
              const Tensor y = ops::matmul(a, b, ta, tb);
              REQUIRE(y.shape() == stored(batch, m, n, false));
              CHECK(y.dtype() == dtype);
              // k roundings of partial sums near 1; bf16 and f16 round a sum of up to 16 by half a step besides.
              const double f32 = 1e-7 * static_cast<double>(k + 1);
              const double step = dtype == DType::bf16 ? 0x1p-5 : dtype == DType::f16 ? 0x1p-8 : 0;
              const double tolerance = dtype == DType::f64 ? 1e-12 : f32 + step;
              CHECK(worst(y, products(a, b, batch, m, n, k, ta, tb)) <= tolerance);
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
  for (Device* dev : test::devices())
    for (const int64_t batch : {0, 2})
      for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
          CAPTURE(dev->name());
          const auto check = test::check_gradients([&](const auto& in) { return ops::matmul(in[0], in[1], ta, tb); },
                                                   {random(stored(batch, 5, 7, ta), DType::f64, 1, *dev),
                                                    random(stored(batch, 7, 3, tb), DType::f64, 2, *dev)});
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
                       "matmul: a is i32 [2, 2] cpu, want f32, bf16, f16 or f64", Error);
}
