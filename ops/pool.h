// Pooling. f32, bf16, f16 or f64.
#pragma once

#include "math/pool.h"
#include "tensor/tensor.h"

namespace az::ops {

/// Windows of kernel x kernel, `stride` apart: kernel 1..15, stride >= 1, padding 0..kernel/2.
struct MaxPool {
  int kernel = 1, stride = 1, padding = 0;
};

/// Largest value of each window; padding never wins. A NaN in a window does.
///
/// x        [n, h, w, c]
/// returns  [n, floor((h + 2*padding - kernel) / stride) + 1, the same of w, c]
/// grad     goes to the window's first maximum in row-major order, as PyTorch; keeps one byte an output
Tensor max_pool(const Tensor& x, const MaxPool& pool);

/// The windows over a map of shape x. Errors: no window fits; what MaxPool says.
math::PoolShape pool_shape(const Shape& x, const MaxPool& pool);

}  // namespace az::ops
