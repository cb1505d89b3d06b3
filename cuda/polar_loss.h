// Losses of positive locations on a CUDA device (formulas: math/polar_loss.h). T is float or double. Pointers are the
// device's.
//
// A forward writes loss[0] = sum w * loss(row) / sum w over rows with label > 0 and w != 0, and the divisor to norm[0];
// both are 0 where there is no such row. Sums over rows are in double and in a fixed order; `parts`
// [row_loss_parts(rows)] is overwritten. A backward writes every row of dx, zeros outside those rows. No row is counted
// or gathered on the host.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "math/polar_loss.h"

namespace az::cuda {

/// Doubles of the buffer that a forward needs for partial sums.
int64_t row_loss_parts(int64_t rows);

/// rays [rows, r], labels [rows] -> centerness [rows], 0 for background
template <class T>
void polar_centerness(Stream& stream, const T* rays, const int32_t* labels, int64_t rows, int64_t r, T* centerness);

/// pred, target [rows, r] -> loss [1], norm [1]
template <class T>
void polar_iou_loss(Stream& stream, math::PolarIouKind kind, const T* pred, const T* target, const math::Rows<T>& rows,
                    int64_t r, double* parts, T* loss, T* norm);
template <class T>
void polar_iou_loss_backward(Stream& stream, math::PolarIouKind kind, const T* pred, const T* target,
                             const math::Rows<T>& rows, int64_t r, const T* norm, const T* dy, T* dx);

/// points [l, 2], row i at points[i % l]; pred, target [rows, 4] -> loss [1], norm [1]
template <class T>
void box_iou_loss(Stream& stream, const T* points, int64_t l, const T* pred, const T* target, const math::Rows<T>& rows,
                  double* parts, T* loss, T* norm);
template <class T>
void box_iou_loss_backward(Stream& stream, const T* points, int64_t l, const T* pred, const T* target,
                           const math::Rows<T>& rows, const T* norm, const T* dy, T* dx);

/// logits, target [rows] -> loss [1], norm [1]
template <class T>
void centerness_bce(Stream& stream, const T* logits, const T* target, const math::Rows<T>& rows, double* parts, T* loss,
                    T* norm);
template <class T>
void centerness_bce_backward(Stream& stream, const T* logits, const T* target, const math::Rows<T>& rows, const T* norm,
                             const T* dy, T* dx);

}  // namespace az::cuda
