// The bodies of the loops of 1x1 convolutions. A file for each instruction set includes cpu/vector_<set>.h, which names
// its vectors in a class `Simd` and the attribute under which they are compiled, and then this header.
#pragma once

#include <utility>

#include "cpu/pointwise_kernels.h"

#if defined(AZ_VECTOR_TARGET)

namespace az::cpu::pointwise {

template <class Simd, bool kWhole>
AZ_VECTOR_INLINE auto load(const PointwiseTile& t, const float* from) {
  return kWhole ? Simd::load(from) : Simd::load_part(from, t.last);
}

/// relu(sum + bias + residual) of vector j of pixel r, cut and stored.
template <class Simd, bool kWhole, class Vector>
AZ_VECTOR_INLINE void finish(Vector v, const PointwiseTile& t, Vector bias, int r, int j) {
  const auto zero = Simd::broadcast(0);
  const int64_t at = r * t.y_stride + j * Simd::kLanes;
  v = v + bias;
  if (t.residual) v = v + load<Simd, kWhole>(t, t.residual[r] + j * Simd::kLanes);
  if (t.relu) v = v < zero ? zero : v;  // keeps NaN
  if (t.cut) v = load<Simd, kWhole>(t, t.cut + at) > zero ? v : zero;
  if constexpr (kWhole) {
    Simd::store(t.y + at, v);
  }
  if constexpr (!kWhole) Simd::store_part(t.y + at, v, t.last);
}

/// Sums stay in registers: rows * vectors of them, beside a row of the panel and a broadcast input. Meanwhile what they
/// are finished with, and where they go, comes into the first cache.
template <class Simd, int kRows, int kVectors, bool kWhole>
AZ_VECTOR_TARGET void product(const PointwiseTile& t) {
  using Vector = typename Simd::Vector;
  constexpr int kLanes = Simd::kLanes, kLine = 16;
  for (int r = 0; r < kRows; ++r)
    for (int j = 0; j < kVectors * kLanes; j += kLine) {
      if (t.residual) __builtin_prefetch(t.residual[r] + j);
      if (t.cut) __builtin_prefetch(t.cut + r * t.y_stride + j);
      __builtin_prefetch(t.y + r * t.y_stride + j, 1);
    }
  const float *panel = t.panel, *fetch = t.fetch;
  Vector sum[kRows][kVectors] = {};
  for (int64_t i = 0; i < t.c; ++i, panel += kVectors * kLanes, fetch += t.fetch_step) {
    Vector w[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) w[j] = Simd::load(panel + j * kLanes);
    __builtin_prefetch(fetch, 0, 2);
    __builtin_prefetch(fetch + kLine, 0, 2);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vector x = Simd::broadcast(t.x[r * t.x_stride + i]);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[r][j] = Simd::multiply_add(x, w[j], sum[r][j]);
    }
  }
#pragma GCC unroll 2
  for (int j = 0; j < kVectors; ++j) {
    constexpr bool kAll = true;
    const bool whole = kWhole || j + 1 < kVectors;
    const Vector bias = !t.bias ? Simd::broadcast(0)
                        : whole ? Simd::load(t.bias + j * kLanes)
                                : Simd::load_part(t.bias + j * kLanes, t.last);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      if (whole)
        finish<Simd, kAll>(sum[r][j], t, bias, r, j);
      else
        finish<Simd, kWhole>(sum[r][j], t, bias, r, j);
    }
  }
}

template <class Simd, int... kRow>
constexpr PointwiseKernels make_kernels(std::integer_sequence<int, kRow...>) {
  return {Simd::kLanes,
          Simd::kRows,
          {{{&product<Simd, kRow + 1, 1, false>...}, {&product<Simd, kRow + 1, 2, false>...}},
           {{&product<Simd, kRow + 1, 1, true>...}, {&product<Simd, kRow + 1, 2, true>...}}}};
}
template <class Simd>
constexpr PointwiseKernels make_kernels() {
  return make_kernels<Simd>(std::make_integer_sequence<int, Simd::kRows>());
}

}  // namespace az::cpu::pointwise
#endif
