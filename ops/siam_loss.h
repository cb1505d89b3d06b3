// The losses of a Siamese tracker (specs/siammask.md section 8; foolwood/SiamMask models/siammask.py). f32 or f64.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// Half the mean cross entropy over label 1 plus half that over label 0; an empty set contributes 0.
///
/// logits   [n, h, w, 2 a]: background of the a anchors, then foreground
/// labels   [n, h, w, a] i32: 1, 0 or -1 (left out). Another value: an error on the CPU, NaN on a CUDA device
/// returns  [1]
/// grad     logits
Tensor anchor_class_loss(const Tensor& logits, const Tensor& labels);

/// sum of weight * sum over q of |x - target|, over n.
///
/// x        [n, h, w, 4 a]: dx of the a anchors, then dy, dw, dh; target alike; weight [n, h, w, a]
/// returns  [1]
/// grad     x; 0 where x equals its target
Tensor anchor_box_loss(const Tensor& x, const Tensor& target, const Tensor& weight);

/// The mean over all elements of the rows of weight 1 of ln(1 + exp(-target * x)); 0 without such a row.
///
/// x        [m, ...] logits; target alike: 1, -1, or 0 (the constant ln 2, as the reference has beyond the crop)
/// weight   [m]: 0 or 1, so that a fixed number of rows serves any number of cells
/// returns  [1]
/// grad     x
Tensor soft_margin_loss(const Tensor& x, const Tensor& target, const Tensor& weight);

}  // namespace az::ops
