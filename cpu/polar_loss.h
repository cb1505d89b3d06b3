// Losses of positive locations on raw pointers (formulas: math/polar_loss.h). T is float or double.
//
// A forward writes loss[0] = sum w * loss(row) / sum w over rows with label > 0 and w != 0, and the divisor to norm[0];
// both are 0 where there is no such row. Sums are in double and in a fixed order. A backward writes every row of dx,
// zeros outside those rows.
#pragma once

#include <cstdint>

#include "math/polar_loss.h"

namespace az::cpu {

using math::PolarIouKind;
using math::Rows;

/// rays [rows, r] -> centerness [rows], 0 for background
template <class T>
void polar_centerness(const T* rays, const int32_t* labels, int64_t rows, int64_t r, T* centerness);

/// pred, target [rows, r] -> loss [1], norm [1]
template <class T>
void polar_iou_loss(PolarIouKind kind, const T* pred, const T* target, const Rows<T>& rows, int64_t r, T* loss,
                    T* norm);
template <class T>
void polar_iou_loss_backward(PolarIouKind kind, const T* pred, const T* target, const Rows<T>& rows, int64_t r,
                             const T* norm, const T* dy, T* dx);

/// points [l, 2], row i at points[i % l]; pred, target [rows, 4] -> loss [1], norm [1]
template <class T>
void box_iou_loss(const T* points, int64_t l, const T* pred, const T* target, const Rows<T>& rows, T* loss, T* norm);
template <class T>
void box_iou_loss_backward(const T* points, int64_t l, const T* pred, const T* target, const Rows<T>& rows,
                           const T* norm, const T* dy, T* dx);

/// logits, target [rows] -> loss [1], norm [1]
template <class T>
void centerness_bce(const T* logits, const T* target, const Rows<T>& rows, T* loss, T* norm);
template <class T>
void centerness_bce_backward(const T* logits, const T* target, const Rows<T>& rows, const T* norm, const T* dy, T* dx);

}  // namespace az::cpu
