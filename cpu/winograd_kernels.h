// The inner loops of cpu/winograd.cpp. A file for each instruction set defines AZ_WINOGRAD_TARGET (the attribute under
// which they are compiled there), includes this header and names its vectors in a class `Simd`:
//   Vector, kLanes; kRows: rows of sums held in registers; load, load_part (the first `count` lanes, others 0), store,
//   store_part, broadcast, multiply_add(a, b, c) = a * b + c rounded once.
#pragma once

#include <cstdint>
#include <utility>

#include "math/winograd.h"

namespace az::cpu {

using math::Winograd4x4;

/// Where an output tile goes, pixel by pixel; null: outside of the map.
struct WinogradOutput {
  float* y[Winograd4x4::kOut * Winograd4x4::kOut];
  const float* residual[Winograd4x4::kOut * Winograd4x4::kOut];  ///< all null where there is none
  const float* bias;                                             ///< [k] or null
  bool relu;
};

inline constexpr int kWinogradMostRows = 14;

/// One instruction set's loops. A panel is 2 * lanes columns of the packed weights of a point, [c][2 * lanes], the last
/// perhaps one vector wide.
struct WinogradKernels {
  int lanes;
  int rows;  ///< the most of one `product`
  /// v[p * point_stride + c] = (B^T d B)[p], d[p] pointing to the channels of the tile's pixel p.
  void (*input)(const float* const* pixels, int64_t c, float* v, int64_t point_stride);
  /// product[vectors - 1][rows - 1]: out [rows][vectors * lanes] = a [rows][c] * b [c][vectors * lanes]. Meanwhile
  /// `next`, the panel that is wanted next, is fetched: waiting for it would cost a sixth of the time.
  void (*product[2][kWinogradMostRows])(const float* a, int64_t a_stride, const float* b, int64_t c, const float* next,
                                        float* out, int64_t out_stride);
  /// The tile A^T q A with what follows, stored.
  void (*output)(const float* q, int64_t point_stride, int64_t k, const WinogradOutput& to);
};

/// The loops for AVX2 with FMA, and for AVX-512; empty where the compiler's target is not x86-64.
const WinogradKernels& winograd_avx2();
const WinogradKernels& winograd_avx512();

}  // namespace az::cpu

#if defined(AZ_WINOGRAD_TARGET)

#define AZ_WINOGRAD_INLINE AZ_WINOGRAD_TARGET __attribute__((always_inline)) inline

namespace az::cpu::winograd {

/// B^T on six vectors `stride` apart, in place.
template <class Simd, class Vector>
AZ_WINOGRAD_INLINE void transform_input(Vector* d, int stride) {
  using W = Winograd4x4;
  constexpr auto factor = [](double v) { return static_cast<float>(v); };
  const Vector a = Simd::broadcast(factor(W::kA)), minus_a = Simd::broadcast(factor(-W::kA));
  const Vector b = Simd::broadcast(factor(W::kB)), minus_b = Simd::broadcast(factor(-W::kB));
  const Vector minus_a2 = Simd::broadcast(factor(-W::kA * W::kA)), minus_b2 = Simd::broadcast(factor(-W::kB * W::kB));
  const Vector product = Simd::broadcast(factor(W::kProduct)), minus_sum = Simd::broadcast(factor(-W::kSum));
  const Vector d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride],
               d5 = d[5 * stride];
  const Vector even_a = Simd::multiply_add(minus_b2, d2, d4), odd_a = Simd::multiply_add(minus_b2, d1, d3);
  const Vector even_b = Simd::multiply_add(minus_a2, d2, d4), odd_b = Simd::multiply_add(minus_a2, d1, d3);
  d[0] = Simd::multiply_add(product, d0, Simd::multiply_add(minus_sum, d2, d4));
  d[stride] = Simd::multiply_add(a, odd_a, even_a);
  d[2 * stride] = Simd::multiply_add(minus_a, odd_a, even_a);
  d[3 * stride] = Simd::multiply_add(b, odd_b, even_b);
  d[4 * stride] = Simd::multiply_add(minus_b, odd_b, even_b);
  d[5 * stride] = Simd::multiply_add(product, d1, Simd::multiply_add(minus_sum, d3, d5));
}

/// A^T on six vectors `stride` apart, into the first four places.
template <class Simd, class Vector>
AZ_WINOGRAD_INLINE void transform_output(Vector* q, int stride) {
  using W = Winograd4x4;
  constexpr auto factor = [](double v) { return static_cast<float>(v); };
  const Vector a = Simd::broadcast(factor(W::kA)), b = Simd::broadcast(factor(W::kB));
  const Vector a2 = Simd::broadcast(factor(W::kA * W::kA)), b2 = Simd::broadcast(factor(W::kB * W::kB));
  const Vector a3 = Simd::broadcast(factor(W::kA * W::kA * W::kA)), b3 = Simd::broadcast(factor(W::kB * W::kB * W::kB));
  const Vector sum_a = q[stride] + q[2 * stride], difference_a = q[stride] - q[2 * stride];
  const Vector sum_b = q[3 * stride] + q[4 * stride], difference_b = q[3 * stride] - q[4 * stride];
  q[0] = q[0] + sum_a + sum_b;
  q[stride] = Simd::multiply_add(a, difference_a, b * difference_b);
  q[2 * stride] = Simd::multiply_add(a2, sum_a, b2 * sum_b);
  q[3 * stride] = Simd::multiply_add(a3, difference_a, Simd::multiply_add(b3, difference_b, q[5 * stride]));
}

/// `count` channels; all of a vector if kWhole.
template <class Simd, bool kWhole>
AZ_WINOGRAD_INLINE auto load(const float* from, int64_t count) {
  if constexpr (kWhole)
    return Simd::load(from);
  else
    return Simd::load_part(from, count);
}

template <class Simd, bool kWhole>
AZ_WINOGRAD_INLINE void input_channels(const float* const* pixels, int64_t c, int64_t count, float* v,
                                       int64_t point_stride) {
  constexpr int kIn = Winograd4x4::kIn;
  typename Simd::Vector d[kIn * kIn];
#pragma GCC unroll 36
  for (int p = 0; p < kIn * kIn; ++p) d[p] = load<Simd, kWhole>(pixels[p] + c, count);
#pragma GCC unroll 6
  for (int i = 0; i < kIn; ++i) transform_input<Simd>(d + i, kIn);
#pragma GCC unroll 6
  for (int i = 0; i < kIn; ++i) transform_input<Simd>(d + i * kIn, 1);
#pragma GCC unroll 36
  for (int p = 0; p < kIn * kIn; ++p) Simd::store(v + p * point_stride + c, d[p]);
}

template <class Simd>
AZ_WINOGRAD_TARGET void input_tile(const float* const* pixels, int64_t c, float* v, int64_t point_stride) {
  int64_t i = 0;
  for (; i + Simd::kLanes <= c; i += Simd::kLanes) input_channels<Simd, true>(pixels, i, 0, v, point_stride);
  if (i < c) input_channels<Simd, false>(pixels, i, c - i, v, point_stride);
}

template <class Simd, int kRows, int kVectors>
AZ_WINOGRAD_TARGET void product(const float* a, int64_t a_stride, const float* b, int64_t c, const float* next,
                                float* out, int64_t out_stride) {
  using Vector = typename Simd::Vector;
  constexpr int kLanes = Simd::kLanes;
  Vector sum[kRows][kVectors] = {};
  for (int64_t i = 0; i < c; ++i, b += kVectors * kLanes, next += kVectors * kLanes) {
    Vector w[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) w[j] = Simd::load(b + j * kLanes);
#pragma GCC unroll 2
    for (int j = 0; j < kVectors * kLanes; j += 16) __builtin_prefetch(next + j, 0, 2);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vector x = Simd::broadcast(a[r * a_stride + i]);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[r][j] = Simd::multiply_add(x, w[j], sum[r][j]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) Simd::store(out + r * out_stride + j * kLanes, sum[r][j]);
}

template <class Simd, bool kWhole>
AZ_WINOGRAD_INLINE void output_channels(const float* q, int64_t point_stride, int64_t k, int64_t count,
                                        const WinogradOutput& to) {
  constexpr int kIn = Winograd4x4::kIn, kOut = Winograd4x4::kOut;
  typename Simd::Vector d[kIn * kIn];
#pragma GCC unroll 36
  for (int p = 0; p < kIn * kIn; ++p) d[p] = Simd::load(q + p * point_stride + k);
#pragma GCC unroll 6
  for (int i = 0; i < kIn; ++i) transform_output<Simd>(d + i, kIn);
#pragma GCC unroll 4
  for (int i = 0; i < kOut; ++i) transform_output<Simd>(d + i * kIn, 1);
  const auto bias = to.bias ? load<Simd, kWhole>(to.bias + k, count) : Simd::broadcast(0);
  const auto zero = Simd::broadcast(0);
#pragma GCC unroll 16
  for (int p = 0; p < kOut * kOut; ++p) {
    if (!to.y[p]) continue;
    auto v = d[p / kOut * kIn + p % kOut] + bias;
    if (to.residual[p]) v = v + load<Simd, kWhole>(to.residual[p] + k, count);
    if (to.relu) v = v < zero ? zero : v;  // keeps NaN
    if constexpr (kWhole)
      Simd::store(to.y[p] + k, v);
    else
      Simd::store_part(to.y[p] + k, v, count);
  }
}

template <class Simd>
AZ_WINOGRAD_TARGET void output_tile(const float* q, int64_t point_stride, int64_t k, const WinogradOutput& to) {
  int64_t i = 0;
  for (; i + Simd::kLanes <= k; i += Simd::kLanes) output_channels<Simd, true>(q, point_stride, i, 0, to);
  if (i < k) output_channels<Simd, false>(q, point_stride, i, k - i, to);
}

template <class Simd, int... kRow>
constexpr WinogradKernels make_kernels(std::integer_sequence<int, kRow...>) {
  return {Simd::kLanes,
          Simd::kRows,
          &input_tile<Simd>,
          {{&product<Simd, kRow + 1, 1>...}, {&product<Simd, kRow + 1, 2>...}},
          &output_tile<Simd>};
}
template <class Simd>
constexpr WinogradKernels make_kernels() {
  return make_kernels<Simd>(std::make_integer_sequence<int, Simd::kRows>());
}

}  // namespace az::cpu::winograd
#endif
