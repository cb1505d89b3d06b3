// The inner loops of cpu/winograd_filter_gradient.cpp, compiled once for each instruction set.
#pragma once

#include "cpu/winograd_kernels.h"

namespace az::cpu {

/// One instruction set's loops. Columns are input channels in panels of 2 * lanes, rows output channels.
struct FilterGradientKernels {
  int lanes;
  int rows;  ///< the most of one `product`
  /// B^T d B of a tile: channel i of point p goes to v[i / width * panel_stride + p * point_stride + i % width], width
  /// being 2 * lanes; the last vector is filled up with zeros.
  void (*input)(const float* const* pixels, int64_t c, float* v, int64_t panel_stride, int64_t point_stride);
  /// A e A^T of a tile: m[p * point_stride + channel], filled up with zeros to a whole vector.
  void (*gradient)(const float* const* pixels, int64_t k, float* m, int64_t point_stride);
  /// product[vectors - 1][rows - 1]: out [rows][width] = the sum over tiles of m [tiles][rows] times v [tiles][width].
  void (*product[2][kWinogradMostRows])(const float* m, int64_t m_stride, const float* v, int64_t tiles, float* out);
  /// G^T u G of one output channel, u[p * point_stride + i] for `count` input channels: times `scale` to, or `add`ed
  /// to, dw[tap * tap_stride + i].
  void (*filter)(const float* u, int64_t point_stride, int64_t count, float scale, bool add, float* dw,
                 int64_t tap_stride);
};

const FilterGradientKernels& filter_gradient_avx2();
const FilterGradientKernels& filter_gradient_avx512();

}  // namespace az::cpu
