// 1x1 convolution as a matrix product: any stride, no padding, f32, NHWC, any size and channels. A strided one reads
// every stride-th pixel where it lies, and the residual is read from where it is. AVX-512, AVX2 and any number of
// threads give the same bits: every output is one chain of fused products over the input channels in order.
#pragma once

#include <cstdint>

#include "cpu/conv.h"
#include "cpu/winograd.h"

namespace az::cpu {

/// Whether the convolution is of the kind: 1x1, no padding, no groups.
bool pointwise_fits(const ConvShape& shape);
/// Whether it is then faster than oneDNN's: a rule of the shape alone.
bool pointwise_pays(const ConvShape& shape);

/// Floats of the packed weights: the weights, output channels padded to whole vectors.
size_t pointwise_packed_count(WinogradSimd simd, int64_t c, int64_t k);
/// Packs w [k, c], times scale [k] or null. `packed` holds pointwise_packed_count(simd, c, k) floats, or for
/// backward_data (simd, k, c).
void pointwise_pack(WinogradSimd simd, WinogradWeights which, int64_t c, int64_t k, const float* w, const float* scale,
                    float* packed);
/// y = relu(conv(x, packed) + bias + residual), cut.   x [n,h,w,c], y [n,oh,ow,k]; a residual that is not coarse may be
/// y. Errors: pointwise_fits does not hold; a coarse residual beside an odd height or width.
void pointwise_forward(WinogradSimd simd, const ConvShape& shape, const float* x, const float* packed,
                       const ConvEpilogue& epilogue, HugeBuffer& scratch, float* y);

/// The same to every stride-th pixel: the data gradient of a strided one. Other pixels of y stay as they are.
/// shape  with y's height, width and channels k, x's channels c and the stride
/// x      [n,oh,ow,c], y [n,h,w,k]; the residual may be y, and is not coarse
void pointwise_spread(WinogradSimd simd, const ConvShape& shape, const float* x, const float* packed,
                      const ConvEpilogue& epilogue, HugeBuffer& scratch, float* y);

}  // namespace az::cpu
