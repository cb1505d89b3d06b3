// Kernels of the reduce and elementwise families that no op calls by itself.
#include "cuda/build.h"

#ifdef AZ_CUDA_BUILT
#include "cuda/reduce.h"

#include <doctest/doctest.h>

#include <cmath>

#include "cuda/device.h"
#include "cuda/elementwise.h"
#include "tensor/tensor.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

namespace az::test {
namespace {

std::vector<double> host(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

/// sum_rows of [rows, columns] against a sum in double; `skipped` elements before it make it unaligned.
template <class T>
void check_sum_rows(Device& device, int64_t rows, int64_t columns, int64_t skipped) {
  CAPTURE(rows);
  CAPTURE(columns);
  CAPTURE(skipped);
  const Compared compared(Against::reference);
  const Sizes sizes{rows, columns};
  const Tensor x =
      uniform({rows * columns + skipped}, -1, 1, dtype_of<T>, device, 11).narrowed(skipped, rows * columns);
  Tensor y = Tensor::full({columns}, 99, dtype_of<Wide<T>>, device);
  Tensor parts = Tensor::full({cuda::sum_rows_parts<T>(rows, columns)}, 1e30, DType::f64, device);
  cuda::sum_rows<T>(cuda::device_of(device).stream(), x.data<T>(), y.mutable_data<Wide<T>>(),
                    parts.mutable_data<double>(), rows, columns);
  const auto in = host(x), out = host(y);
  double worst = 0;
  for (size_t c = 0; c < out.size(); ++c) {
    double want = 0;
    for (size_t r = 0; r < static_cast<size_t>(rows); ++r) want += in[r * out.size() + c];
    // The sum is in double; what is left is one rounding to the output's type.
    worst = std::max(worst, std::abs(out[c] - want) / (std::abs(want) + 1e-4));
  }
  CHECK(worst < (dtype_of<T> == DType::f64 ? 1e-11 : 6e-8));
}

}  // namespace

TEST_CASE("sum_rows adds rows of every type, odd sizes and unaligned matrices") {
  Device* device = cuda();
  if (!device) return;
  const Compared compared(Against::reference);
  for (const int64_t rows : {0, 1, 31, 32, 33, 257, 3001})
    for (const int64_t columns : {1, 3, 8, 33, 72})
      for (const int64_t skipped : {0, 1}) {
        check_sum_rows<float>(*device, rows, columns, skipped);
        check_sum_rows<bf16>(*device, rows, columns, skipped);
        check_sum_rows<f16>(*device, rows, columns, skipped);
        check_sum_rows<double>(*device, rows, columns, skipped);
      }
  check_sum_rows<float>(*device, 70, 257, 0);  // several tiles of columns
  check_sum_rows<bf16>(*device, 70, 264, 0);
  check_sum_rows<float>(*device, 5, 0, 0);
}

TEST_CASE("scale_rows multiplies each row by its factor, in place too") {
  Device* device = cuda();
  if (!device) return;
  const Compared outer(Against::reference);
  for (const int64_t rows : {0, 1, 5})
    for (const int64_t columns : {0, 1, 31, 32, 33, 257}) {
      const Compared compared(Against::reference);
      const Sizes sizes{rows, columns};
      Tensor x = uniform({rows * columns + 1}, -1, 1, DType::f32, *device, 12).narrowed(1, rows * columns);
      const Tensor factor = uniform({rows}, -2, 2, DType::f32, *device, 13);
      const auto in = x.to_vector<float>(), f = factor.to_vector<float>();
      float* values = x.mutable_data<float>();
      cuda::scale_rows<float>(cuda::device_of(*device).stream(), values, factor.data<float>(), values, rows, columns);
      const auto out = x.to_vector<float>();
      for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == in[i] * f[i / static_cast<size_t>(columns)]);
    }
}

TEST_CASE("scale_by, broadcast and fill take any alignment") {
  Device* device = cuda();
  if (!device) return;
  const Compared compared(Against::reference);
  cuda::Stream& stream = cuda::device_of(*device).stream();
  for (const int64_t n : {0, 1, 31, 32, 33, 257, 5000}) {
    CAPTURE(n);
    const Sizes sizes{n};
    Tensor x = uniform({n + 2}, -1, 1, DType::f32, *device, 14);
    const Tensor factor = Tensor::full({1}, -1.5, DType::f32, *device);
    auto want = x.to_vector<float>();
    cuda::scale_by<float>(stream, x.data<float>() + 1, factor.data<float>(), x.mutable_data<float>() + 1, n);
    for (size_t i = 1; i <= static_cast<size_t>(n); ++i) want[i] *= -1.5F;
    CHECK(x.to_vector<float>() == want);
    cuda::broadcast<float>(stream, factor.data<float>(), x.mutable_data<float>() + 1, n);
    std::fill_n(want.begin() + 1, n, -1.5F);
    CHECK(x.to_vector<float>() == want);
    const float seven = 7;
    device->fill(x.mutable_data<float>() + 1, &seven, sizeof seven, n);
    std::fill_n(want.begin() + 1, n, 7.0F);
    CHECK(x.to_vector<float>() == want);
  }
}

}  // namespace az::test
#endif
