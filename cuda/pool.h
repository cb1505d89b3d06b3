// Max-pooling over NHWC. T is float, bf16, f16 or double. Maps are device memory; channels that fill 16 bytes from
// aligned pointers are fastest. images * h and w * channels are below 2^31.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "math/pool.h"

namespace az::cuda {

/// y = largest value of the window; tap = its place in the window, row * kernel + column.
///   x [images, h_in, w_in, channels] -> y, tap [images, h_out, w_out, channels]
template <class T>
void max_pool(Stream& stream, const T* x, T* y, uint8_t* tap, const math::PoolShape& shape);

/// dx = sum of dy over the windows whose maximum the pixel was, in row-major order of windows.
///   dy, tap [images, h_out, w_out, channels] -> dx [images, h_in, w_in, channels]
template <class T>
void max_pool_backward(Stream& stream, const T* dy, const uint8_t* tap, T* dx, const math::PoolShape& shape);

}  // namespace az::cuda
