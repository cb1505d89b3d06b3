// Depthwise cross-correlation, the heart of Siamese trackers. f32, bf16, f16 or f64.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// Slides each channel's kernel over the same channel of the search feature, without padding and without a flip:
/// y[n, o, p, c] = sum over i, j of search[n, o + i, p + j, c] * kernel[n, i, j, c].
///
/// search   [n, h, w, c]
/// kernel   [n, kh, kw, c], one an image (the exemplar's feature), or [1, kh, kw, c] for all; kh <= h, kw <= w
/// returns  [n, h - kh + 1, w - kw + 1, c]; sums in f32 for all but f64
/// grad     both; a shared kernel takes the sum over the images
/// source   SiamRPN++ (CVPR 2019), section 3.3; SiamMask's conv2d_dw_group
Tensor xcorr_depthwise(const Tensor& search, const Tensor& kernel);

}  // namespace az::ops
