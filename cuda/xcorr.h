// Depthwise cross-correlation on a CUDA device (formulas and shapes: math/xcorr.h). T is float, double, bf16 or f16;
// sums are in Wide<T>. Pointers are the device's.
#pragma once

#include "cuda/stream.h"
#include "math/xcorr.h"
#include "tensor/dtype.h"

namespace az::cuda {

/// search, kernel -> y
template <class T>
void xcorr(Stream& stream, const T* search, const T* kernel, T* y, const math::XcorrShape& shape);
/// dy, kernel -> dsearch
template <class T>
void xcorr_backward_search(Stream& stream, const T* dy, const T* kernel, T* dsearch, const math::XcorrShape& shape);

/// Elements of the buffer that xcorr_backward_kernel needs for partial sums.
int64_t xcorr_parts(const math::XcorrShape& shape);
/// search, dy -> dkernel, over all images if the kernel is shared.   parts [xcorr_parts(shape)]: overwritten
template <class T>
void xcorr_backward_kernel(Stream& stream, const T* search, const T* dy, Wide<T>* parts, T* dkernel,
                           const math::XcorrShape& shape);

}  // namespace az::cuda
