// What the polar representation itself can reach on a set.
#pragma once

#include "cpu/rays.h"
#include "data/coco.h"
#include "eval/coco.h"

namespace az::eval {

/// Mask scores of detections that find every object with its class, at score 1, and whose masks are those of perfect
/// rays from the object's mass centre (`models::polarmask::ray_ceiling_mask`). Crowd objects are not detected.
/// Error: an annotation without a segmentation.
CocoScores ray_ceiling(const data::CocoDataset& dataset, int rays, cpu::LabelMode mode);

}  // namespace az::eval
