// Element-wise loops on raw pointers. T is float or double, and bf16 and f16 where it says so.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace az::cpu {

/// y[i] = body.forward(x[i]).   x, y [count], perhaps the same; Relu also takes bf16
template <class Body, class T>
void map_forward(const T* x, T* y, int64_t count);
/// dx[i] = body.backward(saved[i], dy[i]).   all [count]
template <class Body, class T>
void map_backward(const T* saved, const T* dy, T* dx, int64_t count);

/// y[i] = x[i] as another of float, bf16, f16 and double (math::cast).   x, y [count]
template <class From, class To>
void cast(const From* x, To* y, int64_t count);

/// y = a + b.   all [count]; also bf16 and f16, added in float
template <class T>
void add(const T* a, const T* b, T* y, int64_t count);
/// y = a + b where relu > 0, else 0.   all [count]; also bf16 and f16, added in float
template <class T>
void add_cut(const T* a, const T* b, const T* relu, T* y, int64_t count);
/// y = a * b.   all [count]
template <class T>
void multiply(const T* a, const T* b, T* y, int64_t count);
/// y = factor * x.   x, y [count]; also bf16, multiplied in float
template <class T>
void scale(const T* x, Wide<T> factor, T* y, int64_t count);
/// y[r][c] = factor[c] * x[r][c].   x, y [rows, channels]; factor [channels]
template <class T>
void scale_channels(const T* x, const T* factor, T* y, int64_t rows, int64_t channels);
/// y[r] = factor[r] * x[r].   x, y [rows, columns]; factor [rows]
template <class T>
void scale_rows(const T* x, const T* factor, T* y, int64_t rows, int64_t columns);

/// y = exp(min(s * x, limit)).   x, y [count], perhaps the same
template <class T>
void exp_scaled(const T* x, T s, T limit, T* y, int64_t count);
/// dx = dz * s and ds = sum of dz * x, dz = dy * y where s * x < limit.   x, y, dy, dx [count]
template <class T>
T exp_scaled_backward(const T* x, const T* y, const T* dy, T s, T limit, T* dx, int64_t count);

}  // namespace az::cpu
