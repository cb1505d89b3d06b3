#include "cpu/reduce.h"

#include <vector>

#include "cpu/parallel.h"
#include "math/elementwise.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

constexpr int64_t kBlock = 4096;    // elements summed by one loop
constexpr int64_t kRowBlock = 256;  // rows summed by one loop

// Eight running sums let the loop vectorise; their order of addition at the end is fixed.
#define AZ_LOOPS(T)                                                                                   \
  AZ_SIMD double dot_block(const T* a, const T* b, int64_t count) {                                   \
    double part[8] = {};                                                                              \
    int64_t i = 0;                                                                                    \
    for (; i + 8 <= count; i += 8)                                                                    \
      for (int64_t j = 0; j < 8; ++j) part[j] += double(a[i + j]) * double(b[i + j]);                 \
    for (; i < count; ++i) part[i % 8] += double(a[i]) * double(b[i]);                                \
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7])); \
  }                                                                                                   \
  AZ_SIMD double sum_block(const T* a, int64_t count) {                                               \
    double part[8] = {};                                                                              \
    int64_t i = 0;                                                                                    \
    for (; i + 8 <= count; i += 8)                                                                    \
      for (int64_t j = 0; j < 8; ++j) part[j] += double(a[i + j]);                                    \
    for (; i < count; ++i) part[i % 8] += double(a[i]);                                               \
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7])); \
  }
AZ_LOOPS(float)
AZ_LOOPS(double)
#undef AZ_LOOPS

#define AZ_ADD_ROW(T)                                                        \
  AZ_SIMD void add_row(const T* x, double* y, int64_t channels) {            \
    for (int64_t c = 0; c < channels; ++c) y[c] += math::cast<double>(x[c]); \
  }
AZ_ADD_ROW(float)
AZ_ADD_ROW(double)
AZ_ADD_ROW(bf16)
#undef AZ_ADD_ROW

/// f(begin, count) of every block, added in order.
template <class F>
double sum_blocks(int64_t count, const F& f) {
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  std::vector<double> parts(static_cast<size_t>(blocks));
  parallel_for(blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b)
      parts[static_cast<size_t>(b)] = f(b * kBlock, std::min(kBlock, count - b * kBlock));
  });
  double total = 0;
  for (const double part : parts) total += part;
  return total;
}

}  // namespace

template <class T>
T sum(const T* x, int64_t count) {
  return static_cast<T>(sum_blocks(count, [&](int64_t at, int64_t n) { return sum_block(x + at, n); }));
}

template <class T>
T dot(const T* a, const T* b, int64_t count) {
  return static_cast<T>(sum_blocks(count, [&](int64_t at, int64_t n) { return dot_block(a + at, b + at, n); }));
}

template <class T>
void sum_rows(const T* x, Wide<T>* y, int64_t rows, int64_t channels) {
  const int64_t blocks = std::max<int64_t>((rows + kRowBlock - 1) / kRowBlock, 1);
  std::vector<double> parts(static_cast<size_t>(blocks * channels));
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b)
      for (int64_t r = b * kRowBlock; r < std::min(rows, (b + 1) * kRowBlock); ++r)
        add_row(x + r * channels, &parts[static_cast<size_t>(b * channels)], channels);
  });
  for (int64_t c = 0; c < channels; ++c) {
    double total = 0;
    for (int64_t b = 0; b < blocks; ++b) total += parts[static_cast<size_t>(b * channels + c)];
    y[c] = static_cast<Wide<T>>(total);
  }
}

template float sum(const float*, int64_t);
template double sum(const double*, int64_t);
template float dot(const float*, const float*, int64_t);
template double dot(const double*, const double*, int64_t);
template void sum_rows(const float*, float*, int64_t, int64_t);
template void sum_rows(const double*, double*, int64_t, int64_t);
template void sum_rows(const bf16*, float*, int64_t, int64_t);

}  // namespace az::cpu
