#include "ops/conv_transpose.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

TEST_CASE("conv_transpose_pixel is the sum over the channels of its kernels, with both gradients") {
  for (Device* device : test::devices())
    for (const auto& [m, in, kh, kw, out] :
         {std::array<int64_t, 5>{1, 1, 1, 1, 1}, {3, 5, 2, 3, 4}, {2, 33, 15, 15, 7}, {0, 2, 3, 3, 2}}) {
      CAPTURE(in);
      const Tensor x = test::uniform({m, 1, 1, in}, -1, 1, DType::f64, *device);
      const Tensor w = test::uniform({in, kh, kw, out}, -1, 1, DType::f64, *device, 8);
      const Tensor y = ops::conv_transpose_pixel(x, w);
      CHECK(y.shape() == Shape{m, kh, kw, out});
      const auto xv = x.to_vector<double>(), wv = w.to_vector<double>(), yv = y.to_vector<double>();
      const int64_t patch = kh * kw * out;
      double worst = 0;
      for (int64_t k = 0; k < m; ++k)
        for (int64_t p = 0; p < patch; ++p) {
          double sum = 0;
          for (int64_t c = 0; c < in; ++c)
            sum += xv[static_cast<size_t>(k * in + c)] * wv[static_cast<size_t>(c * patch + p)];
          worst = std::max(worst, std::abs(sum - yv[static_cast<size_t>(k * patch + p)]));
        }
      CHECK(worst < 1e-12);  // sums of at most 33 products below 1
      if (m == 0) continue;
      const auto check =
          test::check_gradients([](const auto& t) { return ops::conv_transpose_pixel(t[0], t[1]); }, {x, w}, 1e-6);
      CHECK_MESSAGE(check.worst < 1e-8, check.where);
    }
}

TEST_CASE("conv_transpose_pixel names what does not fit") {
  const Tensor w = Tensor::zeros({4, 3, 3, 2}, DType::f32, test::cpu());
  CHECK_THROWS_WITH_AS(ops::conv_transpose_pixel(Tensor::zeros({1, 2, 1, 4}, DType::f32, test::cpu()), w),
                       "conv_transpose_pixel: x is f32 [1, 2, 1, 4] cpu, want [m, 1, 1, in]", Error);
  CHECK_THROWS_WITH_AS(ops::conv_transpose_pixel(Tensor::zeros({1, 1, 1, 5}, DType::f32, test::cpu()), w),
                       "conv_transpose_pixel: weight is f32 [4, 3, 3, 2] cpu, want [5, kh, kw, out]", Error);
}
