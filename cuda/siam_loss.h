// Losses of a Siamese tracker on a CUDA device (formulas: math/siam_loss.h). T is float or double. Pointers are the
// device's, counts stay there. Shapes and values are those of cpu/siam_loss.h; a label outside -1, 0, 1 makes the loss
// NaN, since nobody on the host waits to tell.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "math/siam_loss.h"

namespace az::cuda {

/// Doubles of the buffer for partial sums, `parts` below, for so many anchors or elements.
int64_t siam_loss_parts(int64_t count);

template <class T>
void anchor_class_loss(Stream& stream, const math::AnchorShape& shape, const T* logits, const int32_t* labels,
                       double* parts, T* loss, T* counts);
template <class T>
void anchor_class_loss_backward(Stream& stream, const math::AnchorShape& shape, const T* logits, const int32_t* labels,
                                const T* counts, const T* dy, T* dx);
template <class T>
void anchor_box_loss(Stream& stream, const math::AnchorShape& shape, const T* x, const T* target, const T* weight,
                     double* parts, T* loss);
template <class T>
void anchor_box_loss_backward(Stream& stream, const math::AnchorShape& shape, const T* x, const T* target,
                              const T* weight, const T* dy, T* dx);
template <class T>
void soft_margin_loss(Stream& stream, int64_t rows, int64_t columns, const T* x, const T* target, const T* weight,
                      double* parts, T* loss, T* count);
template <class T>
void soft_margin_loss_backward(Stream& stream, int64_t rows, int64_t columns, const T* x, const T* target,
                               const T* weight, const T* count, const T* dy, T* dx);

}  // namespace az::cuda
