// The loops of convolutions to a few outputs for AVX-512.
#include "cpu/vector_avx512.h"

#include "cpu/few_outputs_loops.h"

namespace az::cpu {

const FewOutputsKernels& few_outputs_avx512() {
#if defined(__x86_64__)
  static constexpr FewOutputsKernels kKernels = few_outputs::make_kernels<Avx512>();
#else
  static constexpr FewOutputsKernels kKernels{};
#endif
  return kKernels;
}

}  // namespace az::cpu
