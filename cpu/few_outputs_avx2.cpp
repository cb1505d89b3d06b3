// The loops of convolutions to a few outputs for AVX2 with FMA.
#include "cpu/vector_avx2.h"

#include "cpu/few_outputs_loops.h"

namespace az::cpu {

const FewOutputsKernels& few_outputs_avx2() {
#if defined(__x86_64__)
  static constexpr FewOutputsKernels kKernels = few_outputs::make_kernels<Avx2>();
#else
  static constexpr FewOutputsKernels kKernels{};
#endif
  return kKernels;
}

}  // namespace az::cpu
