// Sums of gradients.
#pragma once

#include "tensor/tensor.h"

namespace az::autograd {

/// sum = sum + gradient; an undefined sum takes the gradient as it is. f32, bf16, f16 and f64. In place where no other
/// tensor shares the storage, which may serve another branch too (a residual's gradient, say). Error: other shape or
/// dtype.
void accumulate(Tensor& sum, Tensor gradient);

}  // namespace az::autograd
