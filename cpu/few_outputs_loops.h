// The bodies of the loops of convolutions to a few outputs. A file for each instruction set includes
// cpu/vector_<set>.h, which names its vectors in a class `Simd` and the attribute under which they are compiled, and
// then this header.
#pragma once

#include <utility>

#include "cpu/few_outputs_kernels.h"

#if defined(AZ_VECTOR_TARGET)

namespace az::cpu::few_outputs {

constexpr int kSums = 16;  // of an output, whatever a register holds: channel c goes to sum c % 16

/// sum[p][k] += x[p] * w[k] for the channels from i on; all of a vector if kWhole, else the `count` that exist.
template <class Simd, bool kWhole, int kPixels, int kOutputs, class Vector>
AZ_VECTOR_INLINE void add_products(const float* const* x, const float* w, int64_t w_stride, int64_t i, int64_t count,
                                   Vector (&sum)[kPixels][kOutputs]) {
  const auto load = [&](const float* from) AZ_VECTOR_TARGET __attribute__((always_inline)) {
    if constexpr (kWhole)
      return Simd::load(from);
    else
      return Simd::load_part(from, count);
  };
  Vector weights[kOutputs];
#pragma GCC unroll 4
  for (int k = 0; k < kOutputs; ++k) weights[k] = load(w + k * w_stride + i);
#pragma GCC unroll 6
  for (int p = 0; p < kPixels; ++p) {
    const Vector pixel = load(x[p] + i);
#pragma GCC unroll 4
    for (int k = 0; k < kOutputs; ++k) sum[p][k] = Simd::multiply_add(pixel, weights[k], sum[p][k]);
  }
}

/// Adds the second half of 2 * kCount sums to the first.
template <int kCount>
AZ_VECTOR_INLINE void fold(float* sum) {
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) sum[i] += sum[i + kCount];
}

template <class Simd, int kOutputs>
AZ_VECTOR_TARGET void dot(FewOutputsTile& t) {
  float sums[kFewPixels][kOutputs][kSums];
  for (int half = 0; half < kSums; half += Simd::kLanes) {
    typename Simd::Vector sum[kFewPixels][kOutputs] = {};
    for (int64_t tap = 0; tap < t.taps; ++tap) {
      const float* x[kFewPixels];
      for (int p = 0; p < kFewPixels; ++p) x[p] = t.x[p * t.taps + tap];
      const float* w = t.w + tap * t.c;
      int64_t i = half;
      for (; i + Simd::kLanes <= t.c; i += kSums) add_products<Simd, true>(x, w, t.taps * t.c, i, 0, sum);
      if (i < t.c) add_products<Simd, false>(x, w, t.taps * t.c, i, t.c - i, sum);
    }
#pragma GCC unroll 6
    for (int p = 0; p < kFewPixels; ++p)
#pragma GCC unroll 2
      for (int k = 0; k < kOutputs; ++k) Simd::store(&sums[p][k][half], sum[p][k]);
  }
  for (int p = 0; p < kFewPixels; ++p)
    for (int k = 0; k < kOutputs; ++k) {
      float* sum = sums[p][k];
      fold<8>(sum);
      fold<4>(sum);
      fold<2>(sum);
      t.y[p][k] = sum[0] + sum[1];
    }
}

template <class Simd>
constexpr FewOutputsKernels make_kernels() {
  return {{&dot<Simd, 1>, &dot<Simd, 2>}};
}

}  // namespace az::cpu::few_outputs
#endif
