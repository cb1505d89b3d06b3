// Reductions. Sums are kept in double and added in an order that only shapes and alignment fix. T is float or double,
// and bf16 and f16 where it says so. Scratch is device memory.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "tensor/dtype.h"

namespace az::cuda {

/// Doubles of scratch that a sum to one element takes: one a block of its first stage.
inline constexpr int kSumParts = 528;  // four blocks a multiprocessor of an H100

/// *y = sum of x.   x [count], parts [kSumParts]
template <class T>
void sum(Stream& stream, const T* x, T* y, double* parts, int64_t count);
/// *y = sum of a * b.   a, b [count], parts [kSumParts]
template <class T>
void dot(Stream& stream, const T* a, const T* b, T* y, double* parts, int64_t count);
/// *y = sum of the parts, a second stage.   parts [count]
template <class T>
void sum_parts(Stream& stream, const double* parts, int64_t count, T* y);

/// Doubles of scratch for sum_rows.
template <class T>
int64_t sum_rows_parts(int64_t rows, int64_t columns);
/// y[c] = sum over rows of x[r][c], a bias gradient.   x [rows, columns] -> y [columns],
/// parts [sum_rows_parts<T>(rows, columns)]; also bf16 and f16
template <class T>
void sum_rows(Stream& stream, const T* x, Wide<T>* y, double* parts, int64_t rows, int64_t columns);

}  // namespace az::cuda
