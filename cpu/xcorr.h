// Depthwise cross-correlation on raw pointers (formulas and shapes: math/xcorr.h). T is float or double; sums are in T,
// in a fixed order. kh * kw multiply-adds an output element, all from the nearest cache.
#pragma once

#include "math/xcorr.h"

namespace az::cpu {

/// search, kernel -> y
template <class T>
void xcorr(const T* search, const T* kernel, T* y, const math::XcorrShape& shape);
/// dy, kernel -> dsearch
template <class T>
void xcorr_backward_search(const T* dy, const T* kernel, T* dsearch, const math::XcorrShape& shape);
/// search, dy -> dkernel, over all images if the kernel is shared
template <class T>
void xcorr_backward_kernel(const T* search, const T* dy, T* dkernel, const math::XcorrShape& shape);

}  // namespace az::cpu
