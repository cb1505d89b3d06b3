// A bias by itself, for sums that no convolution adds it to.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// y = x + bias, for each pixel.
///
/// x        [n, h, w, c], f32, bf16, f16 or f64; bias [c], f32, or f64 beside f64
/// returns  [n, h, w, c]
/// grad     of x: dy; of bias: the sum over the pixels
Tensor add_bias(const Tensor& x, const Tensor& bias);

}  // namespace az::ops
