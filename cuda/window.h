// Windows cut out of NHWC maps. T is float, bf16, f16 or double. Device memory; channels that fill 16 bytes from aligned
// pointers are fastest. windows * wh, ww * c, images * h and w * c are below 2^31. A place whose image is not among the
// maps gives zeros.
#pragma once

#include "cuda/stream.h"
#include "math/window.h"

namespace az::cuda {

/// y[k] = the window of x at places[k], zero outside.   x [images, h, w, c]; y [windows, wh, ww, c]
template <class T>
void windows(Stream& stream, const T* x, const math::WindowPlaces& places, T* y, const math::WindowShape& shape);

/// dx = for each pixel the sum of dy over the windows that hold it, in their order.
///   dy [windows, wh, ww, c] -> dx [images, h, w, c]
template <class T>
void windows_backward(Stream& stream, const T* dy, const math::WindowPlaces& places, T* dx,
                      const math::WindowShape& shape);

}  // namespace az::cuda
