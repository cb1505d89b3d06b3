// The filter gradient's loops in AVX2 with FMA: 6 rows of 16 columns are 12 sums.
#if defined(__x86_64__)
#include <immintrin.h>
#define AZ_WINOGRAD_TARGET __attribute__((target("avx2,fma")))
#endif
#include "cpu/winograd_filter_gradient_kernels.h"

namespace az::cpu {

#if defined(__x86_64__)
namespace {

struct Avx2 {
  using Vector = __m256;
  static constexpr int kLanes = 8, kRows = 6;

  AZ_WINOGRAD_INLINE static Vector load(const float* from) { return _mm256_loadu_ps(from); }
  AZ_WINOGRAD_INLINE static Vector load_part(const float* from, int64_t count) {
    return _mm256_maskload_ps(from, mask(count));
  }
  AZ_WINOGRAD_INLINE static void store(float* to, Vector v) { _mm256_storeu_ps(to, v); }
  AZ_WINOGRAD_INLINE static void store_part(float* to, Vector v, int64_t count) {
    _mm256_maskstore_ps(to, mask(count), v);
  }
  AZ_WINOGRAD_INLINE static Vector broadcast(float v) { return _mm256_set1_ps(v); }
  AZ_WINOGRAD_INLINE static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }

 private:
  AZ_WINOGRAD_INLINE static __m256i mask(int64_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace

const FilterGradientKernels& filter_gradient_avx2() {
  static constexpr FilterGradientKernels kKernels = filter_gradient::make_kernels<Avx2>();
  return kKernels;
}
#else
const FilterGradientKernels& filter_gradient_avx2() {
  static constexpr FilterGradientKernels kKernels{};
  return kKernels;
}
#endif

}  // namespace az::cpu
