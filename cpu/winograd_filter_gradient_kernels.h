// The inner loops of cpu/winograd_filter_gradient.cpp, compiled once for each instruction set.
#pragma once

#include "cpu/winograd_kernels.h"

namespace az::cpu {

inline constexpr int kFilterGradientLine = 16;    ///< output channels of a tile that lie together
inline constexpr int kFilterGradientVectors = 3;  ///< the most vectors of input channels of a `product`

/// One instruction set's loops. Columns are input channels, rows output channels.
struct FilterGradientKernels {
  int lanes;
  int rows;  ///< of a `product`; divides kFilterGradientLine
  /// B^T d B of a tile's input channels [c, c + count), at most a vector: v[p * point_stride], the rest of the vector
  /// 0.
  void (*input)(const float* const* pixels, int64_t c, int64_t count, float* v, int64_t point_stride);
  /// A e A^T of a tile: channel i of point p goes to m[i / line * line_stride + p * point_stride + i % line], the last
  /// vector filled up with zeros.
  void (*gradient)(const float* const* pixels, int64_t k, float* m, int64_t line_stride, int64_t point_stride);
  /// product[vectors - 1]: out [rows][vectors * lanes] = the sum over tiles of the first `rows` of m [tiles][line]
  /// times v [vectors][tiles][lanes], the vectors v_stride apart.
  void (*product[kFilterGradientVectors])(const float* m, const float* v, int64_t v_stride, int64_t tiles, float* out);
  /// G^T u G of one output channel, u[p * point_stride + i] for `count` input channels: times `scale` to, or `add`ed
  /// to, dw[tap * tap_stride + i].
  void (*filter)(const float* u, int64_t point_stride, int64_t count, float scale, bool add, float* dw,
                 int64_t tap_stride);
};

const FilterGradientKernels& filter_gradient_avx2();
const FilterGradientKernels& filter_gradient_avx512();

}  // namespace az::cpu
