// The filter gradient of a 3x3 convolution by Winograd: the adjoint of F(4x4, 3x3) (math/winograd.h). For an input tile
// d [6, 6] and the gradient e [4, 4] of its outputs
//
//   dw = G^T [ sum over tiles of (B^T d B) * (A e A^T) ] G
//
// 36 matrix products [k, tiles] x [tiles, c] instead of 144 tile products. Stride 1, padding 1, f32, NHWC, any size and
// channels; AVX-512 and AVX2 and any number of threads give the same bits.
#pragma once

#include "cpu/winograd.h"

namespace az::cpu {

/// Whether the convolution is of the kind: 3x3, stride 1, padding 1, no dilation, no groups.
bool winograd_filter_gradient_fits(const ConvShape& shape);
/// Whether it is then faster than direct convolution: a rule of the shape alone.
bool winograd_filter_gradient_pays(const ConvShape& shape);

/// dw = scale * (filter gradient), or dw += that where `add`.   x [n,h,w,c], dy [n,h,w,k], dw [k,3,3,c], scale [k] or
/// null. `scratch` is kept by the caller from call to call; about 36 * 80 * (c + k) floats. Error: a shape that
/// winograd_filter_gradient_fits does not take.
void winograd_filter_gradient(WinogradSimd simd, const ConvShape& shape, const float* x, const float* dy,
                              const float* scale, bool add, HugeBuffer& scratch, float* dw);

}  // namespace az::cpu
