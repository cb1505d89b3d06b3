// 3x3 convolution by Winograd's F(4x4, 3x3) (math/winograd.h): stride 1, padding 1, f32, NHWC, any size and channels.
//
// Tiles are taken a block at a time: transform the inputs, one matrix product for each of the 36 points, transform the
// outputs with bias, residual and ReLU. Channels are the vector dimension throughout, so nothing is reordered. AVX-512
// and AVX2 add the same products in the same order and give the same bits, as any number of threads does.
#pragma once

#include <cstdint>

#include "cpu/conv.h"
#include "tensor/huge_buffer.h"

namespace az::cpu {

/// What the matrix products and transforms are compiled for; `none`: neither is there, or not x86-64.
enum class WinogradSimd : uint8_t { none, avx2, avx512 };

/// The best that this processor has.
WinogradSimd winograd_simd();

/// Whether the convolution is of the kind: 3x3, stride 1, padding 1, no dilation, no groups.
bool winograd_fits(const ConvShape& shape);
/// Whether it is then faster than direct convolution: a rule of the shape alone, so that every run chooses alike.
bool winograd_pays(const ConvShape& shape);

/// The weights of which convolution: the forward one, or that of dy that gives dx (rotated, channels exchanged).
enum class WinogradWeights : uint8_t { forward, backward_data };

/// Floats of the transformed weights, four times the weights and some padding.
size_t winograd_packed_count(WinogradSimd simd, int64_t c, int64_t k);
/// Transforms w [k, 3, 3, c], times scale [k] or null, in double, rounded once. `packed` holds
/// winograd_packed_count(simd, c, k) floats, or for backward_data (simd, k, c).
void winograd_pack(WinogradSimd simd, WinogradWeights which, int64_t c, int64_t k, const float* w, const float* scale,
                   float* packed);
/// y = relu(conv(x, packed) + bias + residual).   x [n,h,w,c], y [n,h,w,k]; residual may be y.
/// `scratch` is kept by the caller from call to call. An infinite or NaN input spoils its whole 4x4 tile.
void winograd_forward(WinogradSimd simd, const ConvShape& shape, const float* x, const float* packed,
                      const ConvEpilogue& epilogue, HugeBuffer& scratch, float* y);

}  // namespace az::cpu
