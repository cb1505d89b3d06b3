// Resizing of feature maps. f32, bf16, f16 or f64. Coordinates are computed in f32, in f64 for f64, as PyTorch does.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// y[i, j] = x[floor(i * h_in / h), floor(j * w_in / w)].
///
/// x        [n, h_in, w_in, c], not empty
/// returns  [n, h, w, c]
/// grad     each pixel of x gets the sum over the pixels that copied it
Tensor resize_nearest(const Tensor& x, int64_t h, int64_t w);

/// Bilinear interpolation. Source coordinate of row i (columns alike): with align_corners i * (h_in - 1) / (h - 1), or
/// 0 where h = 1; without, max((i + 0.5) * h_in / h - 0.5, 0), the last row repeated beyond the edge.
///
/// x        [n, h_in, w_in, c], not empty
/// returns  [n, h, w, c]
/// grad     the transposed weights, gathered
Tensor resize_bilinear(const Tensor& x, int64_t h, int64_t w, bool align_corners);

}  // namespace az::ops
