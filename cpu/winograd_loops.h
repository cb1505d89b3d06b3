// The bodies of Winograd's loops. A file for each instruction set includes cpu/vector_<set>.h, which names its vectors
// in a class `Simd` and the attribute under which they are compiled, and then this header.
#pragma once

#include <utility>

#include "cpu/winograd_kernels.h"

#if defined(AZ_VECTOR_TARGET)

namespace az::cpu::winograd {

/// B^T on six vectors `stride` apart, in place.
template <class Simd, class Vector>
AZ_VECTOR_INLINE void transform_input(Winograd4x4 /*tile*/, Vector* d, int stride) {
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
AZ_VECTOR_INLINE void transform_output(Winograd4x4 /*tile*/, Vector* q, int stride) {
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

/// B^T on four vectors.
template <class Simd, class Vector>
AZ_VECTOR_INLINE void transform_input(Winograd2x2 /*tile*/, Vector* d, int stride) {
  const Vector d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride];
  d[0] = d2 - d0;
  d[stride] = d2 + d1;
  d[2 * stride] = d2 - d1;
  d[3 * stride] = d3 - d1;
}

/// A^T on four vectors, into the first two places.
template <class Simd, class Vector>
AZ_VECTOR_INLINE void transform_output(Winograd2x2 /*tile*/, Vector* q, int stride) {
  const Vector sum = q[stride] + q[2 * stride], difference = q[stride] - q[2 * stride];
  q[0] = q[0] + sum;
  q[stride] = difference + q[3 * stride];
}

/// B^T on nine vectors.
template <class Simd, class Vector>
AZ_VECTOR_INLINE void transform_input(Winograd4x4Stride2 /*tile*/, Vector* d, int stride) {
  using W = Winograd4x4Stride2;
  constexpr auto factor = [](double v) { return static_cast<float>(v); };
  const Vector a = Simd::broadcast(factor(W::kA)), minus_a = Simd::broadcast(factor(-W::kA));
  const Vector b = Simd::broadcast(factor(W::kB)), minus_b = Simd::broadcast(factor(-W::kB));
  const Vector minus_a2 = Simd::broadcast(factor(-W::kA * W::kA)), minus_b2 = Simd::broadcast(factor(-W::kB * W::kB));
  const Vector product = Simd::broadcast(factor(W::kProduct)), minus_sum = Simd::broadcast(factor(-W::kSum));
  const Vector d0 = d[0], d1 = d[2 * stride], d2 = d[4 * stride], d3 = d[6 * stride], d4 = d[8 * stride];
  const Vector even_a = Simd::multiply_add(minus_b2, d0, d2), odd_a = Simd::multiply_add(minus_b2, d1, d3);
  const Vector even_b = Simd::multiply_add(minus_a2, d0, d2), odd_b = Simd::multiply_add(minus_a2, d1, d3);
  d[0] = Simd::multiply_add(a, even_a, odd_a);
  d[2 * stride] = Simd::multiply_add(minus_a, even_a, odd_a);
  d[4 * stride] = Simd::multiply_add(b, even_b, odd_b);
  d[6 * stride] = Simd::multiply_add(minus_b, even_b, odd_b);
  d[8 * stride] = Simd::multiply_add(product, d0, Simd::multiply_add(minus_sum, d2, d4));
}

/// A^T on nine vectors, into the first four places.
template <class Simd, class Vector>
AZ_VECTOR_INLINE void transform_output(Winograd4x4Stride2 /*tile*/, Vector* q, int stride) {
  using W = Winograd4x4Stride2;
  constexpr auto factor = [](double v) { return static_cast<float>(v); };
  const Vector a = Simd::broadcast(factor(W::kA)), b = Simd::broadcast(factor(W::kB));
  const Vector a2 = Simd::broadcast(factor(W::kA * W::kA)), b2 = Simd::broadcast(factor(W::kB * W::kB));
  const Vector a3 = Simd::broadcast(factor(W::kA * W::kA * W::kA)), b3 = Simd::broadcast(factor(W::kB * W::kB * W::kB));
  const Vector sum_a = q[0] + q[2 * stride], difference_a = q[0] - q[2 * stride];
  const Vector sum_b = q[4 * stride] + q[6 * stride], difference_b = q[4 * stride] - q[6 * stride];
  q[0] = q[stride] + sum_a + sum_b;
  q[stride] = Simd::multiply_add(a, difference_a, Simd::multiply_add(b, difference_b, q[3 * stride]));
  q[2 * stride] = Simd::multiply_add(a2, sum_a, Simd::multiply_add(b2, sum_b, q[5 * stride]));
  q[3 * stride] =
      Simd::multiply_add(a3, difference_a, Simd::multiply_add(b3, difference_b, q[7 * stride] + q[8 * stride]));
}

// Pixels and points are more streams than the hardware follows, so what comes next is fetched here.
constexpr int64_t kLine = 16;  // floats

/// `count` channels; all of a vector if kWhole.
template <class Simd, bool kWhole, class T>
AZ_VECTOR_INLINE auto load(const T* from, int64_t count) {
  if constexpr (kWhole)
    return Simd::load(from);
  else
    return Simd::load_part(from, count);
}

template <class Simd, class Tile, bool kWhole, class T>
AZ_VECTOR_INLINE void input_channels(const T* const* pixels, int64_t c, int64_t count, float* v, int64_t point_stride) {
  constexpr int kIn = Tile::kIn;
  typename Simd::Vector d[kIn * kIn];
#pragma GCC unroll 81
  for (int p = 0; p < kIn * kIn; ++p) {
    d[p] = load<Simd, kWhole>(pixels[p] + c, count);
    __builtin_prefetch(pixels[p] + c + kLine);
  }
#pragma GCC unroll 9
  for (int i = 0; i < kIn; ++i) transform_input<Simd>(Tile(), d + i, kIn);
#pragma GCC unroll 9
  for (int i = 0; i < kIn; ++i) transform_input<Simd>(Tile(), d + i * kIn, 1);
#pragma GCC unroll 81
  for (int p = 0; p < kIn * kIn; ++p) {
    Simd::store(v + p * point_stride + c, d[p]);
    __builtin_prefetch(v + p * point_stride + c + 2 * kLine, 1);
  }
}

template <class Simd, class Tile, class T>
AZ_VECTOR_TARGET void input_tile(const T* const* pixels, int64_t c, float* v, int64_t point_stride) {
  int64_t i = 0;
  for (; i + Simd::kLanes <= c; i += Simd::kLanes) input_channels<Simd, Tile, true>(pixels, i, 0, v, point_stride);
  if (i < c) input_channels<Simd, Tile, false>(pixels, i, c - i, v, point_stride);
}

template <class Simd, int kRows, int kVectors>
AZ_VECTOR_TARGET void product(const float* a, int64_t a_stride, const float* b, int64_t c, const float* next,
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

template <class Simd, class Tile, bool kWhole, class T>
AZ_VECTOR_INLINE void output_channels(const float* q, int64_t point_stride, int64_t k, int64_t count,
                                      const WinogradOutput<Tile, T>& to) {
  constexpr int kIn = Tile::kIn, kOut = Tile::kOut;
  typename Simd::Vector d[kIn * kIn];
#pragma GCC unroll 81
  for (int p = 0; p < kIn * kIn; ++p) d[p] = Simd::load(q + p * point_stride + k);
#pragma GCC unroll 9
  for (int i = 0; i < kIn; ++i) transform_output<Simd>(Tile(), d + i, kIn);
#pragma GCC unroll 4
  for (int i = 0; i < kOut; ++i) transform_output<Simd>(Tile(), d + i * kIn, 1);
  const auto bias = to.bias ? load<Simd, kWhole>(to.bias + k, count) : Simd::broadcast(0);
  const auto zero = Simd::broadcast(0);
#pragma GCC unroll 16
  for (int p = 0; p < kOut * kOut; ++p) {
    if (!to.y[p]) continue;
    __builtin_prefetch(to.y[p] + k + kLine, 1);
    auto v = d[p / kOut * kIn + p % kOut] + bias;
    if (to.residual[p]) v = v + load<Simd, kWhole>(to.residual[p] + k, count);
    if (to.relu) v = v < zero ? zero : v;  // keeps NaN
    if (to.cut[p]) v = load<Simd, kWhole>(to.cut[p] + k, count) > zero ? v : zero;
    if constexpr (kWhole)
      Simd::store(to.y[p] + k, v);
    else
      Simd::store_part(to.y[p] + k, v, count);
  }
}

template <class Simd, class Tile, class T>
AZ_VECTOR_TARGET void output_tile(const float* q, int64_t point_stride, int64_t k, const WinogradOutput<Tile, T>& to) {
  int64_t i = 0;
  for (; i + Simd::kLanes <= k; i += Simd::kLanes) output_channels<Simd, Tile, true>(q, point_stride, i, 0, to);
  if (i < k) output_channels<Simd, Tile, false>(q, point_stride, i, k - i, to);
}

template <class Simd, class Tile, class T, int... kRow>
constexpr WinogradKernels<Tile, T> make_kernels(std::integer_sequence<int, kRow...>) {
  return {Simd::kLanes,
          Simd::kRows,
          &input_tile<Simd, Tile, T>,
          {{&product<Simd, kRow + 1, 1>...}, {&product<Simd, kRow + 1, 2>...}},
          &output_tile<Simd, Tile, T>};
}
template <class Simd, class Tile, class T>
constexpr WinogradKernels<Tile, T> make_kernels() {
  return make_kernels<Simd, Tile, T>(std::make_integer_sequence<int, Simd::kRows>());
}

}  // namespace az::cpu::winograd
#endif
