// Class-wise greedy suppression and the cut to the best detections, without a count on the host.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "math/boxes.h"

namespace az::cuda {

struct NmsShape {
  int images = 1, classes = 1;
  int slots = 0;     // candidates of an image; classes * slots is below 2^31
  int limit = 100;   // detections of an image at most
  float iou = 0.5f;  // a box goes when its overlap with a kept, better one is larger than this
  float extra = 1;   // of math::box_iou
};

/// Bytes of workspace that class_nms needs: 4 * images * classes * slots and little more while slots <= 4096.
int64_t nms_workspace_bytes(const NmsShape& shape);

/// Greedy suppression inside every class, best score first, equal scores in the order of slots. The survivors of an
/// image are in order of class, then slot, when there are at most `limit`; else the best `limit` of them by score,
/// equal scores in order of class, then slot.
///
/// keys       [images, classes, slots]  math::order_key of the score; 0: not a candidate of the class
/// boxes      [images, slots]           16-byte aligned
/// workspace  nms_workspace_bytes, aligned to 16 bytes
/// count      [images]                  detections
/// picked     [images, limit, 2]        class and slot of each; -1 behind the last
void class_nms(Stream& stream, const uint32_t* keys, const math::Box* boxes, const NmsShape& shape, void* workspace,
               int32_t* count, int32_t* picked);

}  // namespace az::cuda
