// Reductions to one element.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// y = sum(x).   x [...] -> [1]   grad dx = dy everywhere
Tensor sum(const Tensor& x);
/// y = sum(x * w), w a constant.   x, w [...] of one shape -> [1]   grad dx = dy * w
Tensor weighted_sum(const Tensor& x, const Tensor& w);

}  // namespace az::ops
