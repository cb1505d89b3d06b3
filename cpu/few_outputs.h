// Convolution to a few output channels: dot products over the input channels, which are the vector dimension, so that
// no register is spent on output channels that do not exist. f32, NHWC, any kernel, stride, padding and dilation.
// AVX-512, AVX2 and any number of threads give the same bits: sixteen sums an output, joined in a fixed order.
#pragma once

#include "cpu/conv.h"
#include "cpu/winograd.h"

namespace az::cpu {

inline constexpr int kMostFewOutputs = 4;

/// Whether it is faster than direct convolution: at most four outputs of many inputs.
bool few_outputs_pays(const ConvShape& shape);
/// y = relu(conv(x, w) * scale + bias + residual).   w [k, r, s, c], scale [k] or null; residual may be y.
/// Error: groups, or more than kMostFewOutputs outputs.
void few_outputs_forward(WinogradSimd simd, const ConvShape& shape, const float* x, const float* w, const float* scale,
                         const ConvEpilogue& epilogue, float* y);

}  // namespace az::cpu
