// Matrix products: through oneDNN in f32, and as plain loops for f64 and as the twin that tests compare with.
#pragma once

#include "cpu/device.h"

namespace az::cpu {

/// y [batch, m, n] = a b, of a [batch, m, k] (stored [batch, k, m] where transposed) and b [batch, k, n] ([batch, n,
/// k]).
struct MatmulShape {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
};

void matmul(CpuDevice& device, const MatmulShape& shape, const float* a, const float* b, float* y);
/// The same with double sums; T is float or double.
template <class T>
void matmul_plain(const MatmulShape& shape, const T* a, const T* b, T* y);

}  // namespace az::cpu
