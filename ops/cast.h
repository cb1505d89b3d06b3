// Conversion between floating-point types.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// x as another of f32, bf16, f16 and f64, rounded to nearest even (f64 to bf16 and f16 by way of f32); x itself if it
/// has that type. x [...]   grad is cast back to x's type
Tensor cast(const Tensor& x, DType to);

/// Whether an op must compute in f32 around a cast: x is of 16 bits and on the CPU, whose loops for that op take f32
/// and f64. Such an op begins with `if (is_host_half(x)) return cast(op(cast(x, DType::f32)), x.dtype());`.
bool is_host_half(const Tensor& x);
/// The same for an op whose loops on the CPU also take bf16: x is f16.
bool is_host_f16(const Tensor& x);

}  // namespace az::ops
