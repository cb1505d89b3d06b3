// Sigmoid focal loss on a CUDA device (formula: math/focal.h). T is float or double. Pointers are the device's, the
// normaliser stays there.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "math/focal.h"

namespace az::cuda {

/// Doubles of the buffer that sigmoid_focal_loss needs for partial sums.
int64_t focal_parts(int64_t rows, int64_t channels);

/// loss[0] = sum / norm[0], norm[0] = P + normaliser_extra, or 1 where that is zero; sums in double, in a fixed order.
/// A label outside -1..channels makes the loss NaN: nobody on the host waits to tell.
/// logits [rows, channels], labels [rows] -> loss [1], norm [1];   parts [focal_parts(rows, channels)]: overwritten
template <class T>
void sigmoid_focal_loss(Stream& stream, const T* logits, const int32_t* labels, int64_t rows, int64_t channels,
                        const math::FocalOptions& options, double* parts, T* loss, T* norm);
/// dx = dy[0] / norm[0] * slope, zero in rows of a label below 0.   dx [rows, channels]
template <class T>
void sigmoid_focal_loss_backward(Stream& stream, const T* logits, const int32_t* labels, int64_t rows, int64_t channels,
                                 const math::FocalOptions& options, const T* norm, const T* dy, T* dx);

}  // namespace az::cuda
