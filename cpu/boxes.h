// Non-maximum suppression.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "math/boxes.h"

namespace az::cpu {

struct NmsOptions {
  float iou_threshold = 0.5f;  // a box goes when its overlap with a kept, better one is larger than this
  bool plus_one = true;        // widths are x2 - x1 + 1
};

/// Indices of the boxes that greedy suppression keeps, best score first; equal scores in the order given.
/// boxes [n], scores [n]. A NaN score counts as the worst. Error: another number of scores than boxes.
std::vector<int32_t> nms(std::span<const math::Box> boxes, std::span<const float> scores, const NmsOptions& options);

}  // namespace az::cpu
