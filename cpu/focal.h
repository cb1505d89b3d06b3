// Sigmoid focal loss on raw pointers (formula: math/focal.h). T is float or double.
#pragma once

#include <cstdint>

#include "math/focal.h"

namespace az::cpu {

using math::FocalOptions;

/// loss[0] = sum / norm[0], norm[0] = P + normaliser_extra, or 1 where that is zero.   Sums in double, fixed order.
/// logits [rows, channels], labels [rows] in -1..channels (error otherwise; -1: left out) -> loss [1], norm [1]
template <class T>
void sigmoid_focal_loss(const T* logits, const int32_t* labels, int64_t rows, int64_t channels,
                        const FocalOptions& options, T* loss, T* norm);
/// dx = dy[0] / norm[0] * slope, zero in rows of label -1.   dx [rows, channels]
template <class T>
void sigmoid_focal_loss_backward(const T* logits, const int32_t* labels, int64_t rows, int64_t channels,
                                 const FocalOptions& options, const T* norm, const T* dy, T* dx);

}  // namespace az::cpu
