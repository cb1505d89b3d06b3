// Resizing of NHWC maps. T is float, double or bf16 (computed in float, rounded once). Memory-bound: reads the smaller
// map about once, the larger one once.
#pragma once

#include "math/resize.h"

namespace az::cpu {

using math::Resize;
using math::ResizeShape;

/// x [images, h_in, w_in, channels] -> y [images, h_out, w_out, channels]; in and out sizes at least 1.
/// nearest: a row that several rows copy is built once, so doubling costs a copy of y.
template <class T>
void resize(Resize how, const T* x, T* y, const ResizeShape& shape);

/// dx = the transposed map of dy: first along rows, then along columns, each in ascending order.
///   dy [images, h_out, w_out, channels] -> dx [images, h_in, w_in, channels]
template <class T>
void resize_backward(Resize how, const T* dy, T* dx, const ResizeShape& shape);

}  // namespace az::cpu
