// The losses of positive locations: polar IoU, box IoU and centerness.
//
// All take every location of the batch as a row, n rows in all, and count those with labels[row] > 0 (labels [n] i32);
// 0 and -1 (a row that the focal loss leaves out) are both background here.
// Counts and normalisers stay on the device. Without a positive row, or with weights that sum to zero, a loss is 0 and
// its gradient zero. Gradients of background rows are zero. Floating tensors of one call share a dtype, f32 or f64.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// How two sets of rays are compared; d the prediction, t the target.
enum class PolarIou {
  v1,  ///< log(sum max(d, t) / sum min(d, t)), what every published model uses
  v2,  ///< mean over rays of log(max(d, t) / max(min(d, t), 1e-6))
  v3,  ///< v1 of the squared lengths
};

/// Polar centerness sqrt(shortest ray / longest ray); 0 for background rows.
/// rays [n, r], labels [n] -> [n], no gradient.   source: PolarMask, eq. 2
Tensor polar_centerness(const Tensor& rays, const Tensor& labels);

/// Polar IoU loss: sum w * loss(row) / sum w over positive rows.
///
/// pred, target  [n, r]  ray lengths in pixels, >= 0
/// weight        [n]     >= 0; PolarMask takes the centerness of the target. Rows of weight 0 are left out
/// returns       [1];    grad  pred only. Where d = t the prediction takes the gradient of both max and min
/// source        PolarMask, eq. 8 and mask_iou_loss.py
Tensor polar_iou_loss(const Tensor& pred, const Tensor& target, const Tensor& weight, const Tensor& labels,
                      PolarIou kind = PolarIou::v1);

/// Box IoU loss: sum w * -log(max(IoU, 1e-6)) / sum w over positive rows; sides count both end pixels (x2 - x1 + 1).
///
/// points        [l, 2]  x, y of one image's locations; row i uses points[i % l]
/// pred, target  [n, 4]  distances left, top, right, bottom in pixels
/// weight        [n]     >= 0. Rows of weight 0 are left out
/// returns       [1];    grad  pred only; zero where the IoU is under 1e-6
/// source        UnitBox; PolarMask's iou_loss.py
Tensor box_iou_loss(const Tensor& points, const Tensor& pred, const Tensor& target, const Tensor& weight,
                    const Tensor& labels);

/// Binary cross-entropy of sigmoid(logit) against a target in [0, 1], mean over positive rows.
/// logits [n] or [n, 1], target [n], labels [n] -> [1];   grad  logits only
Tensor centerness_bce(const Tensor& logits, const Tensor& target, const Tensor& labels);

}  // namespace az::ops
