// The inner loops of cpu/pointwise.cpp as tables, one for each instruction set; cpu/pointwise_loops.h has the bodies.
#pragma once

#include <cstdint>

namespace az::cpu {

/// What one call of a loop makes: `rows` pixels of one panel's output channels.
struct PointwiseTile {
  const float* x;      ///< the first pixel's channels
  int64_t x_stride;    ///< floats from pixel to pixel
  const float* panel;  ///< [c][width]
  int64_t c;
  /// What is wanted next, of which each channel brings two lines into the second cache.
  const float* fetch;
  int64_t fetch_step;  ///< floats
  float* y;            ///< the first pixel's first channel of the panel
  int64_t y_stride;
  const float* bias;             ///< of the panel's channels, or null
  const float* const* residual;  ///< of each pixel, the first channel of the panel; null: none; may be y's
  const float* cut;              ///< as y, or null: y is 0 where this is not above 0
  bool relu;
  int64_t last;  ///< channels of the last vector that exist
};

inline constexpr int kPointwiseMostRows = 14;

/// One instruction set's loops. A panel is 2 * lanes columns of the packed weights, the last perhaps one vector wide.
struct PointwiseKernels {
  int lanes;
  int rows;  ///< the most of one call
  /// [last vector whole][vectors - 1][rows - 1]
  void (*product[2][2][kPointwiseMostRows])(const PointwiseTile& tile);
};

/// The loops for AVX2 with FMA, and for AVX-512; empty where the compiler's target is not x86-64.
const PointwiseKernels& pointwise_avx2();
const PointwiseKernels& pointwise_avx512();

}  // namespace az::cpu
