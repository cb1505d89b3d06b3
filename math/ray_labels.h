// Which location learns which object: the tests of one location against one object (specification 6.4), in f32 and in
// the order of the reference's code. Of the objects that claim a location the one with the smallest box wins, of equal
// ones the first.
#pragma once

#include "tensor/hd.h"

namespace az::math {

/// The reference's area of a candidate that fails; an object with such a large box never wins.
inline constexpr float kNoArea = 1e8f;

/// box x1, y1, x2, y2, all inclusive
AZ_HD inline float label_area(const float* box) { return (box[2] - box[0] + 1.0f) * (box[3] - box[1] + 1.0f); }

/// Open interval of the coordinates that an object may claim along one axis: around its mass centre, within its box.
struct ClaimWindow {
  float low, high;

  AZ_HD bool above_low(float p) const { return p - low > 0.0f; }
  AZ_HD bool below_high(float p) const { return high - p > 0.0f; }
  AZ_HD bool holds(float p) const { return above_low(p) && below_high(p); }
};

AZ_HD inline ClaimWindow claim_window(float centre, float radius, float box_low, float box_high) {
  const float low = centre - radius, high = centre + radius;
  return {low < box_low ? box_low : low, box_high < high ? box_high : high};
}

/// Distances from a location to the sides of a box.
struct SideDistances {
  float left, top, right, bottom;

  /// Whether the largest of them belongs to a level of distances [nearest, farthest].
  AZ_HD bool within(float nearest, float farthest) const {
    const float across = left < right ? right : left, down = top < bottom ? bottom : top;
    const float largest = across < down ? down : across;
    return !(largest < nearest) && !(largest > farthest);
  }
};

AZ_HD inline SideDistances side_distances(const float* box, float x, float y) {
  return {x - box[0], y - box[1], box[2] - x, box[3] - y};
}

}  // namespace az::math
