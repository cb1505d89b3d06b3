// The inner loops of cpu/few_outputs.cpp as tables, one for each instruction set; cpu/few_outputs_loops.h has the
// bodies.
#pragma once

#include <cstdint>

#include "cpu/few_outputs.h"

namespace az::cpu {

inline constexpr int kFewPixels = 4;  // outputs that are computed together

/// One output channel's value of each of kFewPixels pixels, for every output channel.
struct FewOutputsTile {
  const float* const* x;  ///< [kFewPixels][taps]: an input pixel's channels each
  int64_t taps, c;
  const float* w;  ///< [outputs][taps][c]
  float y[kFewPixels][kMostFewOutputs];
};

struct FewOutputsKernels {
  void (*dot[kMostFewOutputs])(FewOutputsTile& tile);  ///< [outputs - 1]
};

/// The loops for AVX2 with FMA, and for AVX-512; empty where the compiler's target is not x86-64.
const FewOutputsKernels& few_outputs_avx2();
const FewOutputsKernels& few_outputs_avx512();

}  // namespace az::cpu
