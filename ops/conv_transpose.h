// Transposed convolution.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// Each pixel becomes a patch: y[k, i, j, :] = sum over c of x[k, 0, 0, c] * w[c, i, j, :].
///
/// x        [m, 1, 1, in]; w [in, kh, kw, out], PyTorch's (in, out, kh, kw). f32, bf16, f16 or f64, both the same
/// returns  [m, kh, kw, out]
/// grad     both
/// source   PyTorch's ConvTranspose2d of a map of one pixel; SiamMask's Refine.deconv
Tensor conv_transpose_pixel(const Tensor& x, const Tensor& w);

}  // namespace az::ops
