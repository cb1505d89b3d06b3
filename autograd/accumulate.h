// Sums of gradients.
#pragma once

#include "tensor/tensor.h"

namespace az::autograd {

/// sum = sum + gradient; an undefined sum takes the gradient as it is. f32, bf16, f16 and f64. In place where no other
/// tensor shares the storage, which may serve another branch too (a residual's gradient, say). Error: other shape or
/// dtype.
/// relu  as sum, or undefined: the total is 0 where this is not above 0, in the same pass
void accumulate(Tensor& sum, Tensor gradient, const Tensor& relu = {});

}  // namespace az::autograd
