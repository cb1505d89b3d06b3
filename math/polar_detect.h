// From PolarMask's head outputs to detections: what one location's numbers mean.
//
// A location (x, y) has class logits, a centerness logit, ray lengths and, with a box branch, four box distances:
//   p = sigmoid(class logit), c = sigmoid(centerness logit)
//   p * c           ranks locations, to keep the best of a level (largest p of all classes)
//   p * (c + bias)  is a detection's score, above 1 at times
// Vertices and corners are kept inside the network's input and divided by the scale that made it from the picture.
//
// Source: PolarMask (CVPR 2020), polarmask_head.py; float32 in the order of that code.
#pragma once

#include <bit>
#include <cstdint>

#include "math/boxes.h"
#include "math/exp.h"
#include "math/polar.h"

namespace az::math {

/// The network's input and how it came from the picture.
struct PolarFrame {
  float last_x = 0, last_y = 0;    // last pixel without padding
  float scale_x = 1, scale_y = 1;  // input / picture
};

AZ_HD inline float probability(float logit) { return 1.0f / (1.0f + vector_exp(-logit)); }

/// What locations are ranked by; below all others where it is undefined.
AZ_HD inline float polar_rank(float largest_logit, float centerness_logit) {
  const float rank = probability(largest_logit) * probability(centerness_logit);
  return rank >= 0.0f ? rank : -1.0f;
}

AZ_HD inline float polar_score(float p, float centerness, float bias) { return p * (centerness + bias); }

/// The class probability counts: it is above the threshold. `hopeless` is a logit that surely is not, so that most
/// logits need no exponential.
AZ_HD inline bool counts_as_hit(float logit, float hopeless, float threshold, float& p) {
  if (!(logit > hopeless)) return false;
  p = probability(logit);
  return p > threshold;
}

/// Coordinate of cell `index` of a level.
AZ_HD inline float cell_centre(int index, int stride) { return static_cast<float>(index * stride + stride / 2); }

/// Vertex in the picture of a ray from (x, y).
AZ_HD inline Direction polar_vertex(float x, float y, float length, const Direction& ray, const PolarFrame& frame) {
  return {ray_vertex(x, length, ray.x, frame.last_x) / frame.scale_x,
          ray_vertex(y, length, ray.y, frame.last_y) / frame.scale_y};
}

/// Box in the picture of distances [4] left, top, right, bottom from (x, y).
AZ_HD inline Box polar_box(float x, float y, const float* distances, const PolarFrame& frame) {
  return {clamp_to(x - distances[0], frame.last_x) / frame.scale_x,
          clamp_to(y - distances[1], frame.last_y) / frame.scale_y,
          clamp_to(x + distances[2], frame.last_x) / frame.scale_x,
          clamp_to(y + distances[3], frame.last_y) / frame.scale_y};
}

/// A whole number that orders as the float does, never 0. NaN counts as minus infinity, -0 as 0.
AZ_HD inline uint32_t order_key(float v) {
  constexpr uint32_t kSign = 0x80000000U;
  if (v != v) return 0x007fffffU;
  const uint32_t bits = std::bit_cast<uint32_t>(v == 0.0f ? 0.0f : v);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

}  // namespace az::math
