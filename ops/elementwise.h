// Element-wise ops. All take f32, bf16, f16 or f64 of any rank and return the same shape; the same dtype too, except
// that exponentials of bf16 and f16 are f32.
#pragma once

#include <limits>
#include <vector>

#include "tensor/tensor.h"

namespace az::ops {

/// y = max(x, 0).   x [...]   grad dx = dy where y > 0
/// On the CPU y takes the place of an x that is moved in and that nobody else holds.
Tensor relu(Tensor x);
/// y = exp(x).   x [...]; inf where x > 88.72 in f32, as IEEE says.   grad dx = dy * y
Tensor exp(const Tensor& x);
/// y = 1 / (1 + exp(-x)).   x [...]   grad dx = dy * y * (1 - y)
Tensor sigmoid(const Tensor& x);
/// y = a + b.   a, b [...] of one shape
Tensor add(const Tensor& a, const Tensor& b);
/// y = factor * x.   x [...]
Tensor scale(const Tensor& x, double factor);
/// y = exp(min(s * x, limit)), the distances of a polar or box head.   x [...], s [1] or scalar, learned
/// grad dx = dy * y * s,  ds = sum(dy * y * x), zero where the limit holds; the default limit is none
/// source: PolarMask, polarmask_head.py forward_single; the reference has no limit (quirk Q23)
/// Without a gradient y takes the place of an x that is moved in and that nobody else holds (on the CPU).
Tensor exp_scaled(Tensor x, const Tensor& s, double limit = std::numeric_limits<double>::infinity());
/// Error unless s is one element of x's type on x's device.
void check_exp_scale(const Tensor& s, const Tensor& x);
/// The same elements in another shape.   grad reshapes back
Tensor reshape(const Tensor& x, const Shape& shape);
/// Rows [begin, begin + count) of the first dimension.   grad is zero outside them
Tensor narrow(const Tensor& x, int64_t begin, int64_t count);
/// Joins the levels of a pyramid, at most 8, of any dtype.   each x [n, h, w, c] -> [n, sum h*w, c], levels in order,
/// row-major inside one
Tensor concat_levels(const std::vector<Tensor>& levels);

/// counter += 1, in place.   counter i64 [1] or scalar; no gradient
void count_up(Tensor& counter);

}  // namespace az::ops
