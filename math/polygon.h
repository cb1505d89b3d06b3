// Filling polygons as OpenCV does: the outline's pixels, and between them, row by row, every other stretch between the
// crossings of the row with the sides. Coordinates within 2^20; even-odd where a polygon covers itself.
#pragma once

#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

inline constexpr int64_t kFillOne = 1 << 16;  ///< of 16.16 fixed point

/// A polygon side that covers the rows top <= y < bottom; none where it is level.
struct FillSide {
  int top, bottom;
  int64_t x, slope;  // at the top row, and per row; 16.16

  AZ_HD bool covers(int y) const { return top <= y && y < bottom; }
  AZ_HD int64_t at(int y) const { return x + slope * (y - top); }
};

AZ_HD inline FillSide fill_side(int ax, int ay, int bx, int by) {
  if (ay == by) return {ay, by, 0, 0};
  const int64_t slope = (int64_t{bx} - ax) * kFillOne / (int64_t{by} - ay);  // truncated, as OpenCV has it
  return ay < by ? FillSide{ay, by, ax * kFillOne, slope} : FillSide{by, ay, bx * kFillOne, slope};
}

/// Pixels first..last of a row; none where last < first.
struct PixelRun {
  int first, last;
};

/// Pixels of row y that the 8-connected line a-b draws (cpu/polygon_fill.cpp, draw_line), without walking it. Counted
/// from the end with the smaller x, the i-th pixel has made ceil(i * shorter / longer - 1/2) steps along the shorter
/// way.
AZ_HD inline PixelRun line_run(int ax, int ay, int bx, int by, int y) {
  const bool swapped = bx < ax;
  const int x0 = swapped ? bx : ax, y0 = swapped ? by : ay, y1 = swapped ? ay : by;
  const int64_t dx = (swapped ? ax : bx) - int64_t{x0};
  const int64_t dy = y1 < y0 ? int64_t{y0} - y1 : int64_t{y1} - y0;
  const int64_t rows = y1 < y0 ? int64_t{y0} - y : int64_t{y} - y0;
  if (rows < 0 || rows > dy) return {0, -1};
  if (dy == 0) return {x0, static_cast<int>(x0 + dx)};
  if (dx < dy) {
    const int64_t steps = (2 * dx * rows + dy - 1) / (2 * dy);
    return {static_cast<int>(x0 + steps), static_cast<int>(x0 + steps)};
  }
  const int64_t first = rows == 0 ? 0 : dx * (2 * rows - 1) / (2 * dy) + 1;
  const int64_t last = dx * (2 * rows + 1) / (2 * dy);
  return {static_cast<int>(x0 + first), static_cast<int>(x0 + (last < dx ? last : dx))};
}

}  // namespace az::math
