// The filter gradient's loops in AVX-512: 14 rows of 32 columns are 28 sums.
#if defined(__x86_64__)
#include <immintrin.h>
#define AZ_WINOGRAD_TARGET __attribute__((target("avx512f")))
#endif
#include "cpu/winograd_filter_gradient_kernels.h"

namespace az::cpu {

#if defined(__x86_64__)
namespace {

struct Avx512 {
  using Vector = __m512;
  static constexpr int kLanes = 16, kRows = 14;

  AZ_WINOGRAD_INLINE static Vector load(const float* from) { return _mm512_loadu_ps(from); }
  AZ_WINOGRAD_INLINE static Vector load_part(const float* from, int64_t count) {
    return _mm512_maskz_loadu_ps(mask(count), from);
  }
  AZ_WINOGRAD_INLINE static void store(float* to, Vector v) { _mm512_storeu_ps(to, v); }
  AZ_WINOGRAD_INLINE static void store_part(float* to, Vector v, int64_t count) {
    _mm512_mask_storeu_ps(to, mask(count), v);
  }
  AZ_WINOGRAD_INLINE static Vector broadcast(float v) { return _mm512_set1_ps(v); }
  AZ_WINOGRAD_INLINE static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }

 private:
  AZ_WINOGRAD_INLINE static __mmask16 mask(int64_t count) { return static_cast<__mmask16>((1U << count) - 1); }
};

}  // namespace

const FilterGradientKernels& filter_gradient_avx512() {
  static constexpr FilterGradientKernels kKernels = filter_gradient::make_kernels<Avx512>();
  return kKernels;
}
#else
const FilterGradientKernels& filter_gradient_avx512() {
  static constexpr FilterGradientKernels kKernels{};
  return kKernels;
}
#endif

}  // namespace az::cpu
