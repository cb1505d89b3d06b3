// The loops of 1x1 convolutions for AVX2 with FMA.
#include "cpu/vector_avx2.h"

#include "cpu/pointwise_loops.h"

namespace az::cpu {

const PointwiseKernels& pointwise_avx2() {
#if defined(__x86_64__)
  static constexpr PointwiseKernels kKernels = pointwise::make_kernels<Avx2>();
#else
  static constexpr PointwiseKernels kKernels{};
#endif
  return kKernels;
}

}  // namespace az::cpu
