// Polygons to per-pixel coverage.
#pragma once

#include <span>
#include <vector>

#include "data/synth/plane.h"

namespace az::data::synth {

struct Point {
  double x = 0;
  double y = 0;
};

/// A rectangle of whole pixels: columns x..x + width - 1.
struct Box {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

/// The share of each pixel that a shape covers, for the pixels of a box.
struct Coverage {
  Box box;
  Plane share;  // [box.height, box.width], 0..1
};

/// Signed area: positive where the outline runs from +x to +y.
double signed_area(std::span<const Point> outline);

/// Exact area coverage of a closed outline that does not cross itself, cut to the picture. The box is the outline's
/// bounds in the picture widened by `margin` pixels; empty where nothing of it lies in the picture.
Coverage rasterise(std::span<const Point> outline, int width, int height, int margin = 0);

}  // namespace az::data::synth
