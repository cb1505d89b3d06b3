// Focal loss over dense class logits.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// Sigmoid focal loss over all locations and classes: sum / (P + normaliser_extra), P the number of labels > 0.
///
///   z' = -z and a = alpha where the class is the label's, else z' = z and a = 1 - alpha
///   loss = a * sigmoid(z')^gamma * softplus(z'), softplus(z') of a positive at most -log(FLT_MIN)
///
/// logits            [n, c]  f32 or f64
/// labels            [n]     i32; 0 background, k the class of channel k - 1, -1 a row that gives neither loss nor
///                   gradient (a crowd where it is not to be learned as background). Outside [-1, c]: an error on the
///                   CPU; on a CUDA device, whose values the host does not wait for, the loss is NaN
/// normaliser_extra  >= 0; the number of images in PolarMask. A normaliser of zero counts as one
/// returns           [1]
/// grad              logits; that of the unclamped formula, computed anew in backward (no [n, c] buffer is kept)
/// source            Lin et al., Focal Loss for Dense Object Detection, eq. 5; PolarMask's sigmoid_focal_loss
Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& labels, double normaliser_extra, double alpha = 0.25,
                          double gamma = 2);

}  // namespace az::ops
