// Windows cut out of NHWC maps. T is float or double.
#pragma once

#include "math/window.h"

namespace az::cpu {

/// y[k] = the window of x at places[k], zero outside.   x [images, h, w, c]; y [windows, wh, ww, c]
template <class T>
void windows(const T* x, const math::WindowPlaces& places, T* y, const math::WindowShape& shape);

/// dx = for each pixel the sum of dy over the windows that hold it, in their order.
///   dy [windows, wh, ww, c] -> dx [images, h, w, c]
template <class T>
void windows_backward(const T* dy, const math::WindowPlaces& places, T* dx, const math::WindowShape& shape);

}  // namespace az::cpu
