// Max-pooling over NHWC. T is float, double or bf16, whose sums are float. Reads x once (windows overlap in the cache),
// writes y and, with taps, a byte an output.
#pragma once

#include <cstdint>

#include "math/pool.h"

namespace az::cpu {

using math::PoolShape;

/// y = largest value of the window; tap = its place in the window, row * kernel + column, or null where it is not
/// wanted.
///   x [images, h_in, w_in, channels] -> y, tap [images, h_out, w_out, channels]
template <class T>
void max_pool(const T* x, T* y, uint8_t* tap, const PoolShape& shape);

/// Rows [begin, end) of y of one image, of which x holds the rows from `first` on that their windows cover.
///   x [.., w_in, channels] -> y [end - begin, w_out, channels]
template <class T>
void max_pool_rows(const T* x, int64_t first, T* y, int64_t begin, int64_t end, const PoolShape& shape);

/// dx = sum of dy over the windows whose maximum the pixel was, in row-major order of windows.
///   dy, tap [images, h_out, w_out, channels] -> dx [images, h_in, w_in, channels]
template <class T>
void max_pool_backward(const T* dy, const uint8_t* tap, T* dx, const PoolShape& shape);

}  // namespace az::cpu
