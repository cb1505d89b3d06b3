// The loops of 1x1 convolutions for AVX-512.
#include "cpu/vector_avx512.h"

#include "cpu/pointwise_loops.h"

namespace az::cpu {

const PointwiseKernels& pointwise_avx512() {
#if defined(__x86_64__)
  static constexpr PointwiseKernels kKernels = pointwise::make_kernels<Avx512>();
#else
  static constexpr PointwiseKernels kKernels{};
#endif
  return kKernels;
}

}  // namespace az::cpu
