// Matrix products: through oneDNN in f32, and as plain loops for f64 and as the twin that tests compare with.
#pragma once

#include "cpu/device.h"
#include "math/matmul.h"

namespace az::cpu {

using math::MatmulShape;

void matmul(CpuDevice& device, const MatmulShape& shape, const float* a, const float* b, float* y);
/// The same with double sums; T is float or double.
template <class T>
void matmul_plain(const MatmulShape& shape, const T* a, const T* b, T* y);

}  // namespace az::cpu
