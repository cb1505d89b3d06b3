#include "cpu/matmul.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "cpu/dnn.h"
#include "cpu/parallel.h"

namespace az::cpu {
namespace {

/// A batch of matrices [rows, columns], stored [columns, rows] where transposed.
dnnl::memory::desc matrices(int64_t batch, int64_t rows, int64_t columns, bool transposed) {
  const dnnl::memory::dims strides =
      transposed ? dnnl::memory::dims{rows * columns, 1, rows} : dnnl::memory::dims{rows * columns, columns, 1};
  return {{batch, rows, columns}, dnnl::memory::data_type::f32, strides};
}

struct Descriptors {
  dnnl::memory::desc a, b, y;
  explicit Descriptors(const MatmulShape& s)
      : a(matrices(s.batch, s.m, s.k, s.transpose_a)),
        b(matrices(s.batch, s.k, s.n, s.transpose_b)),
        y(matrices(s.batch, s.m, s.n, false)) {}
};

/// Whether there is nothing to multiply; y is then zero or empty.
template <class T>
bool trivial(const MatmulShape& s, T* y) {
  if (s.batch * s.m * s.n > 0 && s.k > 0) return false;
  std::fill_n(y, s.batch * s.m * s.n, T(0));
  return true;
}

}  // namespace

void matmul(CpuDevice& device, const MatmulShape& s, const float* a, const float* b, float* y) {
  if (trivial(s, y)) return;
  CpuDevice::Dnn& dnn = device.dnn();
  try {
    const Descriptors d(s);
    const std::array<int64_t, 6> key = {s.batch, s.m, s.n, s.k, s.transpose_a, s.transpose_b};
    auto at = dnn.products.find(key);
    if (at == dnn.products.end()) at = dnn.products.emplace(key, dnnl::matmul({{d.a, d.b, d.y}, dnn.engine})).first;
    // oneDNN takes pointers to non-const, and only reads through the first two.
    at->second.execute(dnn.stream, {{DNNL_ARG_SRC, {d.a, dnn.engine, const_cast<float*>(a)}},
                                    {DNNL_ARG_WEIGHTS, {d.b, dnn.engine, const_cast<float*>(b)}},
                                    {DNNL_ARG_DST, {d.y, dnn.engine, y}}});
    dnn.stream.wait();
  } catch (const dnnl::error& error) {
    fail_dnn("matmul", error, fmt::format("{} products [{}, {}] x [{}, {}]", s.batch, s.m, s.k, s.k, s.n));
  }
}

template <class T>
void matmul_plain(const MatmulShape& s, const T* a, const T* b, T* y) {
  if (trivial(s, y)) return;
  parallel_for(s.batch * s.m, 1, [&](int64_t begin, int64_t end) {
    std::vector<double> sums(static_cast<size_t>(s.n));
    for (int64_t row = begin; row < end; ++row) {
      const int64_t i = row % s.m;
      const T* left = a + row / s.m * s.m * s.k;
      const T* right = b + row / s.m * s.k * s.n;
      std::ranges::fill(sums, 0.0);
      for (int64_t p = 0; p < s.k; ++p) {
        const auto factor = static_cast<double>(s.transpose_a ? left[p * s.m + i] : left[i * s.k + p]);
        for (int64_t j = 0; j < s.n; ++j)
          sums[static_cast<size_t>(j)] +=
              factor * static_cast<double>(s.transpose_b ? right[j * s.k + p] : right[p * s.n + j]);
      }
      std::ranges::transform(sums, y + row * s.n, [](double sum) { return static_cast<T>(sum); });
    }
  });
}

template void matmul_plain<float>(const MatmulShape&, const float*, const float*, float*);
template void matmul_plain<double>(const MatmulShape&, const double*, const double*, double*);

}  // namespace az::cpu
