// Rectangles and other convex polygons of golden cases.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tests/support/golden.h"

namespace az::golden {

using Polygon = std::vector<std::array<double, 2>>;

/// Area, px^2.
double polygon_area(const Polygon& polygon);
/// Common area over covered area of two convex polygons, each around either way.
double polygon_iou(const Polygon& a, const Polygon& b);

/// Compares a rectangle with the one inside the json at `path`, under the rule's polygon_iou_min (with `end_to_end`:
/// its polygon_iou_min_end_to_end) and corner_max; of two orientations with equal area (tie_rtol) either passes.
void check_polygon(Case& c, const std::string& path, const Polygon& own, bool end_to_end = false);

}  // namespace az::golden
