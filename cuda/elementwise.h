// Element-wise kernels. Pointers are device memory of any alignment; aligned to 16 bytes they are fastest. An output
// may be an input. T is float or double, and bf16 and f16 where it says so; those are computed in float.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "tensor/dtype.h"

namespace az::cuda {

/// y[i] = x[i] as another of float, bf16, f16 and double (math::cast).   x, y [count]
template <class From, class To>
void cast(Stream& stream, const From* x, To* y, int64_t count);

/// `count` times the `value_bytes` (1, 2, 4 or 8) at `value`, host memory that is read before the call returns.
void fill(Stream& stream, void* to, const void* value, int64_t value_bytes, int64_t count);
/// y[i] = *value, device memory.   y [count]
template <class T>
void broadcast(Stream& stream, const T* value, T* y, int64_t count);

/// *count += 1, device memory.
void count_up(Stream& stream, int64_t* count);

/// y[i] = body.forward(x[i]).   x, y [count]; also bf16 and f16 for math::Relu
template <class Body, class T>
void map_forward(Stream& stream, const T* x, T* y, int64_t count);
/// dx[i] = body.backward(saved[i], dy[i]).   all [count]; also bf16 and f16 for math::Relu
template <class Body, class T>
void map_backward(Stream& stream, const T* saved, const T* dy, T* dx, int64_t count);

/// y = a + b.   all [count]; also bf16 and f16
template <class T>
void add(Stream& stream, const T* a, const T* b, T* y, int64_t count);
/// y = a + b where relu > 0, else 0.   all [count]; also bf16 and f16
template <class T>
void add_cut(Stream& stream, const T* a, const T* b, const T* relu, T* y, int64_t count);
/// y = factor * x.   x, y [count]; also bf16 and f16
template <class T>
void scale(Stream& stream, const T* x, Wide<T> factor, T* y, int64_t count);
/// y = *factor * x, the factor in device memory.   x, y [count]
template <class T>
void scale_by(Stream& stream, const T* x, const T* factor, T* y, int64_t count);
/// y[r] = factor[r] * x[r].   x, y [rows, columns]; factor [rows]
template <class T>
void scale_rows(Stream& stream, const T* x, const T* factor, T* y, int64_t rows, int64_t columns);

/// y = exp(min(*s * x, limit)).   x, y [count]; s [1]
template <class T>
void exp_scaled(Stream& stream, const T* x, const T* s, T limit, T* y, int64_t count);
/// dx = dz * *s and *ds = sum of dz * x, dz = dy * y where *s * x < limit.   x, y, dy, dx [count]; s, ds [1];
/// parts [kSumParts] is scratch (cuda/reduce.h)
template <class T>
void exp_scaled_backward(Stream& stream, const T* x, const T* y, const T* dy, const T* s, T limit, T* dx, T* ds,
                         double* parts, int64_t count);

inline constexpr int kMostLevels = 8;
/// Where the levels of a pyramid lie: `at[l]` is [n, elements[l]], joined [n, sum of elements].
struct LevelTable {
  void* at[kMostLevels] = {};
  int64_t elements[kMostLevels] = {};
  int levels = 0;
};
/// joined[i] = level 0's image i, then level 1's, ...   element_bytes 1, 2, 4 or 8
void concat_levels(Stream& stream, const LevelTable& levels, void* joined, int64_t images, int64_t element_bytes);
/// The reverse: each level's elements out of `joined`.
void split_levels(Stream& stream, const LevelTable& levels, const void* joined, int64_t images, int64_t element_bytes);

}  // namespace az::cuda
