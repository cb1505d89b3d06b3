// The gradient of a convolution's f32 weights, scaled and added up in the pass that computes it.
#pragma once

#include "cpu/conv.h"

namespace az::cpu {

/// dw = scale * (gradient of the weights that multiply x), or dw += that where `add`.
/// x [n,h,w,c], dy [n,oh,ow,k], scale [k] or null, dw [k,r,s,c/groups]
void conv_weight_gradient(CpuDevice& device, const ConvShape& shape, const float* x, const float* dy,
                          const float* scale, bool add, float* dw);

}  // namespace az::cpu
