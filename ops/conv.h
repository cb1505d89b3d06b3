// Convolution with everything that can ride along.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

struct Conv2dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
};

/// What follows the sums; an undefined tensor is absent.
struct Epilogue {
  Tensor scale = {};     ///< [k], a folded norm's factor; a constant
  Tensor bias = {};      ///< [k], learned or a folded norm's shift
  Tensor residual = {};  ///< [n, oh, ow, k]
  bool relu = false;
};

/// y = relu(conv(x, w) * scale + bias + residual).
///
/// x        [n, h, w, c]            f32, bf16, f16, or f64 (plain loops, for gradient checks)
/// w        [k, r, s, c / groups]   PyTorch's OIHW with the input channels last; beside a bf16 or f16 x, w, scale and
/// bias
///                                  are f32, w * scale is rounded to x's type, sums are f32 and y is rounded once
/// returns  [n, oh, ow, k], oh = (h + 2 padding - dilation (r - 1) - 1) / stride + 1
/// grad     of x, w, bias and residual; the mask of the ReLU is taken from y
Tensor conv2d(const Tensor& x, const Tensor& w, const Conv2dOptions& options = {}, const Epilogue& epilogue = {});

}  // namespace az::ops
