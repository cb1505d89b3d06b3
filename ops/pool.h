// Pooling. f32, bf16, f16 or f64.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// Largest value of each kernel x kernel window, windows `stride` apart; padding never wins. A NaN in a window does.
///
/// x        [n, h, w, c]; kernel 1..15, stride >= 1, padding 0..kernel/2
/// returns  [n, floor((h + 2*padding - kernel) / stride) + 1, the same of w, c]
/// grad     goes to the window's first maximum in row-major order, as PyTorch; keeps one byte an output
Tensor max_pool(const Tensor& x, int kernel, int stride, int padding);

}  // namespace az::ops
