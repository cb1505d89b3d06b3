// What the convolution of bf16 maps adds to cpu/conv.h: where Winograd pays, and the way through f32 copies of the maps
// for processors that cannot multiply bf16.
#pragma once

#include "cpu/conv.h"

namespace az::cpu {

/// Whether f32 Winograd of bf16 maps is faster than direct bf16 convolution, for shapes that winograd_fits: a rule of
/// the shape alone.
bool winograd_pays_bf16(const ConvShape& shape);

/// The three passes of cpu/conv.h, computed by the f32 ones (the plain loops on an exact device); the results are
/// rounded to bf16 where those are maps. `identity.rounded` is set.
void widened_conv_forward(CpuDevice& device, const ConvShape& shape, const bf16* x, const float* w, const float* scale,
                          const WeightIdentity& identity, const ConvEpilogue& epilogue, bf16* y);
void widened_conv_backward_data(CpuDevice& device, const ConvShape& shape, const bf16* dy, const float* w,
                                const float* scale, const WeightIdentity& identity, bf16* dx);
void widened_conv_backward_weights(CpuDevice& device, const ConvShape& shape, const bf16* x, const bf16* dy, float* dw);

}  // namespace az::cpu
