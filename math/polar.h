// The polar representation: an object is a centre and n ray lengths to its contour, at equal angles.
//
// Ray k of n points at k * 360/n degrees. 0 degrees is straight down (+y), 90 degrees is right (+x), 180 up, 270 left:
// the vertex of a ray of length d is  (x, y) + d * (sin, cos). Labels, decoding and losses below agree on that.
//
// The quality of a location is its polar centerness, sqrt(shortest / longest ray), and two sets of rays are compared by
// polar IoU, sum of minima / sum of maxima: both in math/polar_loss.h.
//
// Source: PolarMask (CVPR 2020) and its public code; all arithmetic is float32 in the order of that code.
#pragma once

#include <cmath>

#include "tensor/hd.h"

namespace az::math {

/// The length that the reference gives to a ray without a contour pixel near its angle.
inline constexpr float kMissingRay = 1e-6f;
/// Contour pixels are collected by whole degrees; a rounding case falls into a last bin 360 that no ray reads.
inline constexpr int kAngleBins = 361;

// ---- from a contour to rays ------------------------------------------------------------------------------------

/// Whole-degree bin, 0..360, of the direction (dx, dy). The reference takes a float32 arctangent and converts it to
/// degrees in float32, so a direction within rounding of a whole degree may land on either side: the order of the
/// operations here is part of the rule.
AZ_HD inline int angle_bin(float dx, float dy) {
  const float radians = static_cast<float>(std::atan2(static_cast<double>(dx), static_cast<double>(dy)));
  float degrees = radians * 180.0f / 3.14159274f;
  if (degrees < 0.0f) degrees += 360.0f;
  return static_cast<int>(degrees);
}

/// Bin that ray k of n looks into first, and how many bins to either side it may look: a third of the step.
AZ_HD inline int ray_bin(int k, int n) { return k * 360 / n; }
AZ_HD inline int ray_reach(int n) { return 120 / n; }

/// Length of ray k of n by the reference's rule: the squared length of the first occupied bin in the order
/// c, c+1, c-1, c+2, c-2, ... . Bins do not wrap around 0. `farthest` [361] holds for every bin the largest squared
/// distance to a contour pixel in it, negative where there is none. Returns a negative number when no bin is occupied.
AZ_HD inline float ray_from_bins(const float* farthest, int k, int n) {
  const int c = ray_bin(k, n);
  const int reach = ray_reach(n);
  if (farthest[c] >= 0.0f) return sqrtf(farthest[c]);
  for (int step = 1; step <= reach; ++step) {
    if (c + step < 360 && farthest[c + step] >= 0.0f) return sqrtf(farthest[c + step]);
    if (c - step >= 0 && farthest[c - step] >= 0.0f) return sqrtf(farthest[c - step]);
  }
  return -1.0f;
}

// ---- from rays to a polygon ------------------------------------------------------------------------------------

struct Direction {
  float x, y;
};

/// Unit vector of ray k of n.
AZ_HD inline Direction ray_direction(int k, int n) {
  const float degrees = static_cast<float>(k) * (360.0f / static_cast<float>(n));
  const float radians = degrees / 180.0f * 3.14159274f;
  return {sinf(radians), cosf(radians)};
}

/// Moves v into [0, last]; a NaN becomes 0, so that what follows may convert it to an integer.
AZ_HD inline float clamp_to(float v, float last) { return v > 0.0f ? (v < last ? v : last) : 0.0f; }

/// One coordinate of a vertex: start + length * direction, kept inside the picture [0, last].
AZ_HD inline float ray_vertex(float start, float length, float direction, float last) {
  return clamp_to(length * direction + start, last);
}

}  // namespace az::math
