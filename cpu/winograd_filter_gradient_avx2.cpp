// The filter gradient's loops for AVX2.
#include "cpu/vector_avx2.h"
#include "cpu/winograd_filter_gradient_loops.h"

namespace az::cpu {

const FilterGradientKernels& filter_gradient_avx2() {
#if defined(__x86_64__)
  static constexpr FilterGradientKernels kKernels = filter_gradient::make_kernels<Avx2>();
#else
  static constexpr FilterGradientKernels kKernels{};
#endif
  return kKernels;
}

}  // namespace az::cpu
