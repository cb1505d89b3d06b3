// The filter gradient's loops for AVX-512.
#include "cpu/vector_avx512.h"
#include "cpu/winograd_filter_gradient_loops.h"

namespace az::cpu {

const FilterGradientKernels& filter_gradient_avx512() {
#if defined(__x86_64__)
  static constexpr FilterGradientKernels kKernels = filter_gradient::make_kernels<Avx512>();
#else
  static constexpr FilterGradientKernels kKernels{};
#endif
  return kKernels;
}

}  // namespace az::cpu
