// Resizing of NHWC maps. T is float, bf16, f16 or double. Maps are device memory; channels that fill 16 bytes from
// aligned pointers are fastest. images * h and w * channels are below 2^31; in and out sizes at least 1.
#pragma once

#include "cuda/stream.h"
#include "math/resize.h"

namespace az::cuda {

/// x [images, h_in, w_in, channels] -> y [images, h_out, w_out, channels]
template <class T>
void resize(Stream& stream, math::Resize how, const T* x, T* y, const math::ResizeShape& shape);

/// dx = the transposed map of dy: for each column that reads the pixel the sum over rows, then the sum of those.
///   dy [images, h_out, w_out, channels] -> dx [images, h_in, w_in, channels]
template <class T>
void resize_backward(Stream& stream, math::Resize how, const T* dy, T* dx, const math::ResizeShape& shape);

}  // namespace az::cuda
