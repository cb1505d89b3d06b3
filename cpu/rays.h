// Ray lengths of one contour seen from one location.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cpu/contour.h"
#include "math/polar.h"

namespace az::cpu {

using math::LabelMode;

/// "compat", "filled", "exact". Error: any other word.
LabelMode label_mode(std::string_view name);

/// The longest run of missing rays that `filled` interpolates unless told otherwise.
inline constexpr int kFillMaxRun = 3;

/// Reads rays from one contour, which must outlive it.
class RayCaster {
 public:
  explicit RayCaster(std::span<const Point> contour);
  /// Lengths of all rays from (x, y), whole numbers. `out` has one element a ray; their count is the number of rays.
  void cast(int x, int y, LabelMode mode, int fill_max_run, std::span<float> out) const;

 private:
  void cast_bins(float x, float y, std::span<float> out) const;
  void cast_exact(int x, int y, std::span<float> out) const;

  std::vector<float> xs_, ys_;
};

/// Unit vectors (sin, cos) of the rays that `exact` measures along.   returns [rays, 2]
std::vector<double> exact_ray_directions(int rays);

/// For every contour offset (dx, dy) = (xs[i] - x, ys[i] - y): math::angle_bin, and the squared length.
/// Computed by a polynomial where that is certain and by the rule itself within 1/1000 degree of a bin's edge.
void angle_bins(std::span<const float> xs, std::span<const float> ys, float x, float y, std::span<int32_t> bins,
                std::span<float> squared);

}  // namespace az::cpu
