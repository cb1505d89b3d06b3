// The bodies of the filter gradient's loops. A file for each instruction set includes cpu/vector_<set>.h and then this.
#pragma once

#include "cpu/winograd_filter_gradient_kernels.h"
#include "cpu/winograd_loops.h"

#if defined(AZ_VECTOR_TARGET)

namespace az::cpu::filter_gradient {

using winograd::load;

template <class Simd, bool kWhole>
AZ_VECTOR_INLINE void input_channels(const float* const* pixels, int64_t c, int64_t count, float* v,
                                     int64_t point_stride) {
  constexpr int kIn = Winograd4x4::kIn;
  typename Simd::Vector d[kIn * kIn];
#pragma GCC unroll 36
  for (int p = 0; p < kIn * kIn; ++p) d[p] = load<Simd, kWhole>(pixels[p] + c, count);
#pragma GCC unroll 6
  for (int i = 0; i < kIn; ++i) winograd::transform_input<Simd>(Winograd4x4(), d + i, kIn);
#pragma GCC unroll 6
  for (int i = 0; i < kIn; ++i) winograd::transform_input<Simd>(Winograd4x4(), d + i * kIn, 1);
#pragma GCC unroll 36
  for (int p = 0; p < kIn * kIn; ++p) Simd::store(v + p * point_stride, d[p]);
}

template <class Simd>
AZ_VECTOR_TARGET void input_tile(const float* const* pixels, int64_t c, int64_t count, float* v, int64_t point_stride) {
  if (count >= Simd::kLanes)
    input_channels<Simd, true>(pixels, c, 0, v, point_stride);
  else
    input_channels<Simd, false>(pixels, c, count, v, point_stride);
}

/// A on four vectors `stride` apart, to six `to_stride` apart; the rows of a and -a have even and odd parts in common.
template <class Simd, class Vector>
AZ_VECTOR_INLINE void transform_gradient(const Vector* e, int stride, Vector* m, int to_stride) {
  using W = Winograd4x4;
  constexpr auto factor = [](double v) { return static_cast<float>(v); };
  const Vector a = Simd::broadcast(factor(W::kA)), b = Simd::broadcast(factor(W::kB));
  const Vector a2 = Simd::broadcast(factor(W::kA * W::kA)), b2 = Simd::broadcast(factor(W::kB * W::kB));
  const Vector a3 = Simd::broadcast(factor(W::kA * W::kA * W::kA)), b3 = Simd::broadcast(factor(W::kB * W::kB * W::kB));
  const Vector e0 = e[0], e1 = e[stride], e2 = e[2 * stride], e3 = e[3 * stride];
  const Vector even_a = Simd::multiply_add(a2, e2, e0), odd_a = Simd::multiply_add(a3, e3, a * e1);
  const Vector even_b = Simd::multiply_add(b2, e2, e0), odd_b = Simd::multiply_add(b3, e3, b * e1);
  m[0] = e0;
  m[to_stride] = even_a + odd_a;
  m[2 * to_stride] = even_a - odd_a;
  m[3 * to_stride] = even_b + odd_b;
  m[4 * to_stride] = even_b - odd_b;
  m[5 * to_stride] = e3;
}

template <class Simd, bool kWhole>
AZ_VECTOR_INLINE void gradient_channels(const float* const* pixels, int64_t k, int64_t count, float* m,
                                        int64_t point_stride) {
  constexpr int kIn = Winograd4x4::kIn, kOut = Winograd4x4::kOut;
  typename Simd::Vector e[kOut * kOut], rows[kIn * kOut], all[kIn * kIn];
#pragma GCC unroll 16
  for (int p = 0; p < kOut * kOut; ++p) e[p] = load<Simd, kWhole>(pixels[p] + k, count);
#pragma GCC unroll 4
  for (int i = 0; i < kOut; ++i) transform_gradient<Simd>(e + i, kOut, rows + i, kOut);
#pragma GCC unroll 6
  for (int i = 0; i < kIn; ++i) transform_gradient<Simd>(rows + i * kOut, 1, all + i * kIn, 1);
#pragma GCC unroll 36
  for (int p = 0; p < kIn * kIn; ++p) Simd::store(m + p * point_stride, all[p]);
}

template <class Simd>
AZ_VECTOR_TARGET void gradient_tile(const float* const* pixels, int64_t k, float* m, int64_t line_stride,
                                    int64_t point_stride) {
  constexpr int64_t kLine = kFilterGradientLine;
  const auto at = [&](int64_t i) { return m + i / kLine * line_stride + i % kLine; };
  int64_t i = 0;
  for (; i + Simd::kLanes <= k; i += Simd::kLanes) gradient_channels<Simd, true>(pixels, i, 0, at(i), point_stride);
  if (i < k) gradient_channels<Simd, false>(pixels, i, k - i, at(i), point_stride);
}

/// Half a vector's lanes of rows, so that all registers but a few hold sums: 8 x 3 in AVX-512, 4 x 3 in AVX2.
template <class Simd>
constexpr int kRowsOf = Simd::kLanes / 2;

template <class Simd, int kVectors>
AZ_VECTOR_TARGET void product(const float* m, const float* v, int64_t v_stride, int64_t tiles, float* out) {
  using Vector = typename Simd::Vector;
  constexpr int kLanes = Simd::kLanes, kRows = kRowsOf<Simd>;
  Vector sum[kRows][kVectors] = {};
  for (int64_t t = 0; t < tiles; ++t, m += kFilterGradientLine, v += kLanes) {
    Vector x[kVectors];
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) x[j] = Simd::load(v + j * v_stride);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Vector e = Simd::broadcast(m[r]);
#pragma GCC unroll 3
      for (int j = 0; j < kVectors; ++j) sum[r][j] = Simd::multiply_add(e, x[j], sum[r][j]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) Simd::store(out + (r * kVectors + j) * kLanes, sum[r][j]);
}

/// An entry of G in all lanes.
template <class Simd, size_t kRow, size_t kColumn>
AZ_VECTOR_INLINE auto weight() {
  return Simd::broadcast(static_cast<float>(Winograd4x4::weight_matrix()[kRow][kColumn]));
}

/// G^T on six vectors `stride` apart, to three `to_stride` apart.
template <class Simd, class Vector>
AZ_VECTOR_INLINE void transform_filter(const Vector* u, int stride, Vector* w, int to_stride) {
  const Vector sum_a = u[stride] + u[2 * stride], difference_a = u[stride] - u[2 * stride];
  const Vector sum_b = u[3 * stride] + u[4 * stride], difference_b = u[3 * stride] - u[4 * stride];
  w[0] = Simd::multiply_add(weight<Simd, 0, 0>(), u[0],
                            Simd::multiply_add(weight<Simd, 1, 0>(), sum_a, weight<Simd, 3, 0>() * sum_b));
  w[to_stride] = Simd::multiply_add(weight<Simd, 1, 1>(), difference_a, weight<Simd, 3, 1>() * difference_b);
  w[2 * to_stride] =
      Simd::multiply_add(weight<Simd, 1, 2>(), sum_a, Simd::multiply_add(weight<Simd, 3, 2>(), sum_b, u[5 * stride]));
}

template <class Simd, bool kWhole>
AZ_VECTOR_INLINE void filter_channels(const float* u, int64_t point_stride, int64_t count, float scale, bool add,
                                      float* dw, int64_t tap_stride) {
  constexpr int kIn = Winograd4x4::kIn;
  typename Simd::Vector d[kIn * kIn], rows[3 * kIn], w[9];
#pragma GCC unroll 36
  for (int p = 0; p < kIn * kIn; ++p) d[p] = Simd::load(u + p * point_stride);
#pragma GCC unroll 6
  for (int i = 0; i < kIn; ++i) transform_filter<Simd>(d + i, kIn, rows + i, kIn);
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i) transform_filter<Simd>(rows + i * kIn, 1, w + i * 3, 1);
  const auto factor = Simd::broadcast(scale);
#pragma GCC unroll 9
  for (int tap = 0; tap < 9; ++tap) {
    float* to = dw + tap * tap_stride;
    const auto v = add ? Simd::multiply_add(factor, w[tap], load<Simd, kWhole>(to, count)) : factor * w[tap];
    if constexpr (kWhole)
      Simd::store(to, v);
    else
      Simd::store_part(to, v, count);
  }
}

template <class Simd>
AZ_VECTOR_TARGET void filter_row(const float* u, int64_t point_stride, int64_t count, float scale, bool add, float* dw,
                                 int64_t tap_stride) {
  int64_t i = 0;
  for (; i + Simd::kLanes <= count; i += Simd::kLanes)
    filter_channels<Simd, true>(u + i, point_stride, 0, scale, add, dw + i, tap_stride);
  if (i < count) filter_channels<Simd, false>(u + i, point_stride, count - i, scale, add, dw + i, tap_stride);
}

template <class Simd>
constexpr FilterGradientKernels make_kernels() {
  return {Simd::kLanes,
          kRowsOf<Simd>,
          &input_tile<Simd>,
          &gradient_tile<Simd>,
          {&product<Simd, 1>, &product<Simd, 2>, &product<Simd, 3>},
          &filter_row<Simd>};
}

}  // namespace az::cpu::filter_gradient
#endif
