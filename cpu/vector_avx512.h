// Sixteen floats in an AVX-512 register, for loops that are compiled once for each instruction set
// (cpu/vector_avx2.h is the other). Only files of one instruction set include it.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"

#define AZ_VECTOR_TARGET __attribute__((target("avx512f")))
#define AZ_VECTOR_INLINE AZ_VECTOR_TARGET __attribute__((always_inline)) inline

namespace az::cpu {
namespace {

struct Avx512 {
  using Vector = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kRows = 14;  ///< of a matrix product: 14 x 2 sums, two vectors of weights, a broadcast input

  AZ_VECTOR_INLINE static Vector load(const float* from) { return _mm512_loadu_ps(from); }
  AZ_VECTOR_INLINE static Vector load(const bf16* from) {
    Halves v;
    std::memcpy(&v, from, sizeof v);
    return reinterpret_cast<Vector>(__builtin_convertvector(v, Bits) << 16);
  }
  /// The first `count` lanes, the others 0.
  AZ_VECTOR_INLINE static Vector load_part(const float* from, int64_t count) {
    return _mm512_maskz_loadu_ps(mask(count), from);
  }
  AZ_VECTOR_INLINE static Vector load_part(const bf16* from, int64_t count) {
    alignas(32) bf16 values[kLanes] = {};
    std::memcpy(values, from, static_cast<size_t>(count) * sizeof(bf16));
    return load(values);
  }
  AZ_VECTOR_INLINE static void store(float* to, Vector v) { _mm512_storeu_ps(to, v); }
  /// Rounds as bf16 itself does (tensor/dtype.h).
  AZ_VECTOR_INLINE static void store(bf16* to, Vector v) {
    const Bits u = reinterpret_cast<Bits>(v), high = u >> 16, rounded = (u + 0x7fff + (high & 1)) >> 16;
    const Halves halves = __builtin_convertvector((u & 0x7fffffff) > 0x7f800000 ? high | 0x40 : rounded, Halves);
    std::memcpy(static_cast<void*>(to), &halves, sizeof halves);
  }
  AZ_VECTOR_INLINE static void store_part(float* to, Vector v, int64_t count) {
    _mm512_mask_storeu_ps(to, mask(count), v);
  }
  AZ_VECTOR_INLINE static void store_part(bf16* to, Vector v, int64_t count) {
    alignas(32) bf16 values[kLanes];
    store(values, v);
    std::memcpy(static_cast<void*>(to), values, static_cast<size_t>(count) * sizeof(bf16));
  }
  AZ_VECTOR_INLINE static Vector broadcast(float v) { return _mm512_set1_ps(v); }
  /// a * b + c, rounded once.
  AZ_VECTOR_INLINE static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }

 private:
  typedef uint32_t Bits __attribute__((vector_size(4 * kLanes)));
  typedef uint16_t Halves __attribute__((vector_size(2 * kLanes)));
  AZ_VECTOR_INLINE static __mmask16 mask(int64_t count) { return static_cast<__mmask16>((1U << count) - 1); }
};

}  // namespace
}  // namespace az::cpu
#endif
