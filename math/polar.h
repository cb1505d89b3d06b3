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

#include <algorithm>
#include <cmath>

#include "tensor/hd.h"

namespace az::math {

/// How a ray's length is read from a contour.
enum class LabelMode {
  compat,  // the reference: farthest contour pixel within a third of the step, 1e-6 where there is none
  filled,  // the same, but short runs of missing rays are interpolated between their neighbours around the circle
  exact,   // farthest crossing of the ray with the contour polygon; missing rays interpolated whatever their number
};

/// The length that the reference gives to a ray without a contour pixel near its angle.
inline constexpr float kMissingRay = 1e-6f;
/// Contour pixels are collected by whole degrees; a rounding case falls into a last bin 360 that no ray reads.
inline constexpr int kAngleBins = 361;

// ---- from a contour to rays ------------------------------------------------------------------------------------

/// Whole-degree bin, 0..360, of a direction in radians. The reference takes a float32 arctangent and converts it to
/// degrees in float32, so a direction within rounding of a whole degree may land on either side: the order of the
/// operations here is part of the rule.
AZ_HD inline int bin_of_radians(double direction) {
  const float radians = static_cast<float>(direction);
  float degrees = radians * 180.0f / 3.14159274f;
  if (degrees < 0.0f) degrees += 360.0f;
  return static_cast<int>(degrees);
}

/// Bin of the direction (dx, dy). An arctangent good to 4 ulp gives the same bin for all whole offsets up to 2048.
AZ_HD inline int angle_bin(float dx, float dy) {
  return bin_of_radians(std::atan2(static_cast<double>(dx), static_cast<double>(dy)));
}

/// Direction of (dx, dy) in degrees, 0..360, good to 3e-5; arctangent by Abramowitz and Stegun 4.4.49.
AZ_HD inline float fast_degrees(float dx, float dy) {
  const float ax = fabsf(dx), ay = fabsf(dy);
  const float larger = std::max(std::max(ax, ay), 1e-3f);
  const float z = std::min(ax, ay) / larger;
  const float q = z * z;
  float p = 0.0028662257f;
  p = p * q - 0.0161657367f;
  p = p * q + 0.0429096138f;
  p = p * q - 0.0752896400f;
  p = p * q + 0.1065626393f;
  p = p * q - 0.1420889944f;
  p = p * q + 0.1999355085f;
  p = p * q - 0.3333314528f;
  p = p * q + 1.0f;
  float t = p * z * 57.29577951f;
  t = ax <= ay ? t : 90.0f - t;
  t = dy < 0.0f ? 180.0f - t : t;
  return dx < 0.0f ? 360.0f - t : t;
}

/// angle_bin by the polynomial above, or -1 within 1/1000 degree of a bin's edge, where only the rule itself can tell.
AZ_HD inline int fast_angle_bin(float dx, float dy) {
  constexpr float kUnsure = 1e-3f;  // degrees
  const float t = fast_degrees(dx, dy);
  const int bin = static_cast<int>(t);
  const float part = t - static_cast<float>(bin);
  return ((part > kUnsure) & (part < 1.0f - kUnsure)) ? bin : -1;
}

/// Bin that ray k of n looks into first, and how many bins to either side it may look: a third of the step.
AZ_HD inline int ray_bin(int k, int n) { return k * 360 / n; }
AZ_HD inline int ray_reach(int n) { return 120 / n; }

/// Length of ray k of n by the reference's rule: the squared length of the first occupied bin in the order
/// c, c+1, c-1, c+2, c-2, ... . Bins do not wrap around 0. `farthest` [361] holds for every bin the largest squared
/// distance to a contour pixel in it, negative where there is none. Returns a negative number when no bin is occupied.
template <class Bins>
AZ_HD inline float ray_from_bins(Bins farthest, int k, int n) {
  const int c = ray_bin(k, n);
  const int reach = ray_reach(n);
  if (farthest[c] >= 0.0f) return sqrtf(farthest[c]);
  for (int step = 1; step <= reach; ++step) {
    if (c + step < 360 && farthest[c + step] >= 0.0f) return sqrtf(farthest[c + step]);
    if (c - step >= 0 && farthest[c - step] >= 0.0f) return sqrtf(farthest[c - step]);
  }
  return -1.0f;
}

/// Length of ray k, which is missing (negative), on the straight line between the found rays on both sides of its gap,
/// around the circle; -1 where the gap has more than `longest` rays. One of the n rays at least is found.
AZ_HD inline float ray_in_gap(const float* rays, int k, int n, int longest) {
  const auto before = [=](int steps) { return rays[k - steps < 0 ? k - steps + n : k - steps]; };
  const auto after = [=](int steps) { return rays[k + steps < n ? k + steps : k + steps - n]; };
  int back = 1;
  while (back <= longest && before(back) < 0) ++back;
  int on = 1;
  while (back + on - 1 <= longest && after(on) < 0) ++on;
  const int step = back + on;
  if (step - 1 > longest) return -1.0f;
  const float a = before(back);
  return a + (after(on) - a) * (static_cast<float>(back) / static_cast<float>(step));
}

/// Rays first..last (modulo their number) that a side of the contour may cross, from the directions of its two ends in
/// degrees. A side is seen under less than 180 degrees.
struct RaySpan {
  int first, last;
};
AZ_HD inline RaySpan rays_across(float degrees_a, float degrees_b, float degrees_per_ray) {
  constexpr float kMargin = 0.01f;  // ray_crossing decides
  float turn = degrees_b - degrees_a;
  turn -= 360.0f * roundf(turn / 360.0f);
  const float end = degrees_a + turn;
  const float low = (end < degrees_a ? end : degrees_a) - kMargin;
  const float high = (degrees_a < end ? end : degrees_a) + kMargin;
  return {static_cast<int>(ceilf(low / degrees_per_ray)), static_cast<int>(floorf(high / degrees_per_ray))};
}

/// Where the ray along u meets the side a-b (both relative to the ray's start); negative when it does not.
AZ_HD inline double ray_crossing(double ux, double uy, double ax, double ay, double bx, double by) {
  const double side_a = ux * ay - uy * ax;
  const double side_b = ux * by - uy * bx;
  const double along_a = ux * ax + uy * ay;
  const double along_b = ux * bx + uy * by;
  if (side_a == side_b) return side_a == 0 ? (along_a < along_b ? along_b : along_a) : -1;
  if ((side_a > 0 && side_b > 0) || (side_a < 0 && side_b < 0)) return -1;
  return along_a + (along_b - along_a) * (side_a / (side_a - side_b));
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

/// The pixel position of a vertex: truncated, or rounded half away from 0. Kept within what an integer and the filling
/// of polygons can hold; a NaN becomes 0.
AZ_HD inline int vertex_pixel(float v, bool round) {
  const float kept = v > -1e6f ? (1e6f < v ? 1e6f : v) : (v <= -1e6f ? -1e6f : 0.0f);
  return static_cast<int>(round ? roundf(kept) : kept);
}

/// Moves v into [0, last]; a NaN becomes 0, so that what follows may convert it to an integer.
AZ_HD inline float clamp_to(float v, float last) { return v > 0.0f ? (v < last ? v : last) : 0.0f; }

/// One coordinate of a vertex: start + length * direction, kept inside the picture [0, last].
AZ_HD inline float ray_vertex(float start, float length, float direction, float last) {
  return clamp_to(length * direction + start, last);
}

}  // namespace az::math
