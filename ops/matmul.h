// Matrix product.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// y = a b, one product or one a batch entry.
///
/// a        [m, k] or [batch, m, k]; with transpose_a [k, m] or [batch, k, m].   f32, bf16, f16 or f64
/// b        [k, n] or [batch, k, n]; with transpose_b [n, k] or [batch, n, k].   same rank, batch and dtype as a
/// returns  [m, n] or [batch, m, n], of that dtype; sums of bf16 and f16 are f32, rounded once
/// grad     da = dy b^T and db = a^T dy (transposed where the input was)
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

}  // namespace az::ops
