// The inner loops of cpu/few_outputs.cpp as tables, one for each instruction set; cpu/few_outputs_loops.h has the
// bodies.
#pragma once

#include <cstdint>

#include "cpu/few_outputs.h"

namespace az::cpu {

// What is computed together: the inputs of six pixels and the weights of two outputs stay in a first cache of 48 KiB
// for 3x3 and 256 channels, and twelve sums hide the latency of a fused product.
inline constexpr int kFewPixels = 6, kFewTogether = 2;

/// The values of kFewPixels pixels in one or two output channels.
struct FewOutputsTile {
  const float* const* x;  ///< [kFewPixels][taps]: an input pixel's channels each
  int64_t taps, c;
  const float* w;  ///< [outputs][taps][c]
  float y[kFewPixels][kFewTogether];
};

struct FewOutputsKernels {
  void (*dot[kFewTogether])(FewOutputsTile& tile);  ///< [outputs - 1]
};

/// The loops for AVX2 with FMA, and for AVX-512; empty where the compiler's target is not x86-64.
const FewOutputsKernels& few_outputs_avx2();
const FewOutputsKernels& few_outputs_avx512();

}  // namespace az::cpu
