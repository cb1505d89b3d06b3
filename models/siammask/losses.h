// SiamMask's losses (specs/siammask.md section 8).
#pragma once

#include "models/siammask/model.h"

namespace az::models {

/// What a batch of pairs should give; maps of s x s cells and a anchors.
struct SiamTargets {
  Tensor labels;       ///< [n, s, s, a] i32: 1, 0 or -1
  Tensor boxes;        ///< [n, s, s, 4 a] f32
  Tensor box_weights;  ///< [n, s, s, a] f32
  /// The cells with a positive anchor, of pairs that have masks. A fixed number of rows serves any number of cells:
  /// the rest have weight 0 (and cell 0).
  Tensor cells;         ///< [m, 3] i32: image, row, column
  Tensor cell_weights;  ///< [m] f32, 1 or 0
  Tensor masks;         ///< [n, h, w, 1] f32: +1 on the object, -1 beside it
};

/// Which masks are trained: the mask head's of 63x63, or Refine's of 127x127.
enum class SiamStage : uint8_t { base, sharp };

struct SiamLossWeights {
  double classes = 1.0, boxes = 1.2, masks = 36;
};

/// Each [1], unweighted but for the total; `masks` undefined without targets for them.
struct SiamLosses {
  Tensor classes, boxes, masks, total;
};

SiamLosses siam_losses(SiamMask& network, const SiamSearch& found, const SiamTargets& targets, SiamStage stage,
                       const SiamLossWeights& weights);

/// The mask loss of logits [m, side, side, 1] of cells: upsampled to 127x127 with aligned corners and compared with the
/// target's window there. `padded` as in SiamMask::refine: the window begins 32 pixels before the cell.
Tensor siam_mask_loss(const Tensor& logits, const SiamTargets& targets, bool padded);

/// How good masks are: mean intersection over union of the chosen cells, and the shares above 0.5 and 0.7; on the host.
struct SiamMaskAccuracy {
  double mean_iou = 0, above_50 = 0, above_70 = 0;
};
SiamMaskAccuracy siam_mask_accuracy(const Tensor& logits, const SiamTargets& targets, bool padded);

}  // namespace az::models
