// Reductions in a fixed order: fixed blocks are summed each on its own, then the blocks in order, so the bits do not
// depend on the number of threads. Sums of floats are kept in double.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace az::cpu {

/// Sum of x.   x [count]
template <class T>
T sum(const T* x, int64_t count);
/// Sum of a * b.   a, b [count]
template <class T>
T dot(const T* a, const T* b, int64_t count);
/// y[c] = sum over rows of x[r][c].   x [rows, channels] -> y [channels]; x also bf16, then y is float
template <class T>
void sum_rows(const T* x, Wide<T>* y, int64_t rows, int64_t channels);

}  // namespace az::cpu
