// Convex hull and the rectangle of smallest area around points (Toussaint, "Solving geometric problems with the
// rotating calipers", 1983).
#pragma once

#include <array>
#include <span>
#include <vector>

#include "cpu/contour.h"

namespace az::cpu {

struct RotatedRect {
  std::array<std::array<double, 2>, 4> corners{};  ///< x, y; around the rectangle
  double width = 0, height = 0;                    ///< of the sides from corner 0 to 1 and from 1 to 2
  double area() const { return width * height; }
};

/// Rectangles again and again, in the same memory.
class RectFinder {
 public:
  /// The smallest rectangle that holds the points; of equal ones the first that turning the hull's edges meets. One
  /// point or points on a line: a rectangle without area.
  /// Error: no point, or points further than 2^20 apart.
  RotatedRect smallest(std::span<const Point> points);
  /// The convex hull of the last call's points: its corners in order, none on a line between its neighbours.
  const std::vector<Point>& hull() const { return hull_; }

 private:
  struct Extent {
    int32_t first, last;
  };
  void find_extents(std::span<const Point> points);
  void find_hull();

  int32_t top_ = 0;
  std::vector<Extent> extents_;  // of each row
  std::vector<Point> hull_;
};

}  // namespace az::cpu
