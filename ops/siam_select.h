// The best cell of a Siamese tracker's score map. No gradient.
#pragma once

#include "math/siam_select.h"
#include "tensor/tensor.h"

namespace az::ops {

/// Doubles of a math::SiamChoice.
inline constexpr int64_t kSiamChoiceValues = sizeof(math::SiamChoice) / sizeof(double);

/// A cell for each image, on the device, and what the host reads of it.
struct SiamSelection {
  Tensor cells;    ///< [n, 3] i32: image, row, column; as ops::windows takes places
  Tensor choices;  ///< [n, 8] f64: the number anchor * s * s + row * s + column, rank, score, penalty, x, y, w, h
};

/// For each image the candidate that ranks first (math::siam_candidate), of equal ones the first.
///
/// classes  [n, s, s, 2 a] f32 logits: background of the anchors, then foreground
/// boxes    [n, s, s, 4 a] f32: dx of the anchors, then dy, dw, dh
/// priors   [a s s, 4] f64: cx, cy, w, h of the anchors, relative to the crop's centre
/// window   [s s] f64
/// views    [n, 4] f64: the object's width and height in the crop, penalty_k, window_influence
/// source   SiamMask, tools/test.py siamese_track
SiamSelection siam_select(const Tensor& classes, const Tensor& boxes, const Tensor& priors, const Tensor& window,
                          const Tensor& views);

}  // namespace az::ops
