// Axis-parallel boxes and their overlap.
#pragma once

#include "tensor/hd.h"

namespace az::math {

/// Corners; x2 and y2 are the last pixel (plus-one convention) or the far edge, as the caller means them.
struct Box {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

/// `extra` is 1 where a box from pixel a to pixel b is b - a + 1 wide (mmdetection 1.x), 0 where it is b - a wide.
AZ_HD inline float box_area(const Box& b, float extra) { return (b.x2 - b.x1 + extra) * (b.y2 - b.y1 + extra); }

/// Intersection over union; 0 for boxes that do not meet. float32 in the order of the reference's NMS kernel.
AZ_HD inline float box_iou(const Box& a, const Box& b, float extra) {
  const float left = a.x1 > b.x1 ? a.x1 : b.x1;
  const float right = a.x2 < b.x2 ? a.x2 : b.x2;
  const float top = a.y1 > b.y1 ? a.y1 : b.y1;
  const float bottom = a.y2 < b.y2 ? a.y2 : b.y2;
  const float w = right - left + extra;
  const float h = bottom - top + extra;
  const float inner = (w > 0.0f ? w : 0.0f) * (h > 0.0f ? h : 0.0f);
  const float outer = box_area(a, extra) + box_area(b, extra) - inner;
  return inner > 0.0f ? inner / outer : 0.0f;
}

}  // namespace az::math
