#include "models/siammask/losses.h"

#include "autograd/node.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/resize.h"
#include "ops/siam_loss.h"
#include "ops/window.h"
#include "tensor/error.h"

namespace az::models {
namespace {

constexpr int64_t kMaskSide = 127;
constexpr int32_t kCellStride = 8, kPadding = 32;  // pixels of the search crop

/// Activations of 16 bits never reach a loss.
Tensor widened(const Tensor& x) { return is_half(x.dtype()) ? ops::cast(x, DType::f32) : x; }

/// Masks and their targets, both [m, 127, 127, 1].
struct MaskPair {
  Tensor logits, target;
};
MaskPair aligned(const Tensor& narrow, const SiamTargets& targets, bool padded) {
  const Tensor logits = widened(narrow);
  return {logits.dim(1) == kMaskSide ? logits : ops::resize_bilinear(logits, kMaskSide, kMaskSide, true),
          ops::windows(targets.masks, targets.cells, kMaskSide, kMaskSide,
                       {.stride = kCellStride, .offset = padded ? -kPadding : 0})};
}

}  // namespace

Tensor siam_mask_loss(const Tensor& logits, const SiamTargets& targets, bool padded) {
  const MaskPair pair = aligned(logits, targets, padded);
  return ops::soft_margin_loss(pair.logits, pair.target, targets.cell_weights);
}

SiamMaskAccuracy siam_mask_accuracy(const Tensor& logits, const SiamTargets& targets, bool padded) {
  const autograd::NoGrad off;
  const MaskPair pair = aligned(logits.detached(), targets, padded);
  const auto predicted = pair.logits.to_vector<float>(), target = pair.target.to_vector<float>();
  const auto weights = targets.cell_weights.to_vector<float>();
  SiamMaskAccuracy accuracy;
  double cells = 0;
  for (size_t row = 0; row < weights.size(); ++row) {
    if (weights[row] == 0) continue;
    double both = 0, either = 0;
    for (size_t i = row * kMaskSide * kMaskSide; i < (row + 1) * kMaskSide * kMaskSide; ++i) {
      const bool mine = predicted[i] >= 0, want = target[i] == 1;
      both += mine && want;
      either += mine || want;
    }
    const double iou = either > 0 ? both / either : 0;
    accuracy.mean_iou += iou;
    accuracy.above_50 += iou > 0.5;
    accuracy.above_70 += iou > 0.7;
    ++cells;
  }
  if (cells == 0) return accuracy;
  return {accuracy.mean_iou / cells, accuracy.above_50 / cells, accuracy.above_70 / cells};
}

SiamLosses siam_losses(SiamMask& network, const SiamSearch& found, const SiamTargets& targets, SiamStage stage,
                       const SiamLossWeights& weights) {
  SiamLosses losses;
  losses.classes = ops::anchor_class_loss(widened(found.classes), targets.labels);
  losses.boxes = ops::anchor_box_loss(widened(found.boxes), targets.boxes, targets.box_weights);
  losses.total = ops::add(ops::scale(losses.classes, weights.classes), ops::scale(losses.boxes, weights.boxes));
  if (!targets.cells.defined()) return losses;
  const bool sharp = stage == SiamStage::sharp;
  const Tensor logits =
      sharp ? network.refine(found, targets.cells, /*padded=*/false) : network.masks_of(found, targets.cells);
  losses.masks = siam_mask_loss(logits, targets, /*padded=*/!sharp);
  losses.total = ops::add(losses.total, ops::scale(losses.masks, weights.masks));
  return losses;
}

}  // namespace az::models
