// Losses of a Siamese tracker on raw pointers (formulas: math/siam_loss.h). T is float or double; sums in double.
#pragma once

#include "math/siam_loss.h"

namespace az::cpu {

using math::AnchorShape;

/// loss[0] = half the mean over label 1 plus half the mean over label 0, an empty set giving 0; counts[0], counts[1]:
/// how many of each.   logits [images, cells, 2 anchors], labels [images, cells, anchors] in -1, 0, 1 (error otherwise)
template <class T>
void anchor_class_loss(const AnchorShape& shape, const T* logits, const int32_t* labels, T* loss, T* counts);
/// dx, zero where the label is -1.
template <class T>
void anchor_class_loss_backward(const AnchorShape& shape, const T* logits, const int32_t* labels, const T* counts,
                                const T* dy, T* dx);

/// loss[0] = sum of weight * |x - target| / images.   x, target [images, cells, 4 anchors], weight [images, cells,
/// anchors]
template <class T>
void anchor_box_loss(const AnchorShape& shape, const T* x, const T* target, const T* weight, T* loss);
template <class T>
void anchor_box_loss_backward(const AnchorShape& shape, const T* x, const T* target, const T* weight, const T* dy,
                              T* dx);

/// loss[0] = mean over the rows of weight 1 of ln(1 + exp(-target x)); 0 without one.   x, target [rows, columns],
/// weight [rows] 0 or 1; count[0]: the sum of weights
template <class T>
void soft_margin_loss(int64_t rows, int64_t columns, const T* x, const T* target, const T* weight, T* loss, T* count);
template <class T>
void soft_margin_loss_backward(int64_t rows, int64_t columns, const T* x, const T* target, const T* weight,
                               const T* count, const T* dy, T* dx);

}  // namespace az::cpu
