// Polygons to masks, exactly as OpenCV fills a contour (edge pixels included; even-odd where it crosses itself).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cpu/contour.h"
#include "cpu/rle.h"

namespace az::cpu {

/// The filled pixels of a canvas: one bit each, within the rectangle that the polygon touches.
class PolygonFill {
 public:
  /// Vertices may lie outside the canvas, but count as at most 2^20 px away. No vertices: nothing is filled.
  /// Error: a canvas with a negative side or more than 2^31 pixels.
  PolygonFill(std::span<const Point> vertices, int canvas_height, int canvas_width);

  bool at(int x, int y) const;
  int64_t pixel_count() const;
  /// Column by column, background first, over the whole canvas. Works on the outline only, so that its time goes with
  /// the rectangle's bits and the number of runs and not with the canvas.
  Rle to_rle() const;
  Mask to_mask() const;

 private:
  uint64_t* row(int y) { return &bits_[static_cast<size_t>(y - area_.y) * words_]; }
  const uint64_t* row(int y) const { return &bits_[static_cast<size_t>(y - area_.y) * words_]; }
  void set(int x, int y);
  void set_range(int first, int last, int y);
  void draw_line(Point from, Point to);
  void fill_inside(std::span<const Point> vertices);
  std::vector<uint32_t> changes() const;  // column-major positions where the colour changes, ascending

  int height_, width_;  // of the canvas
  Rect area_;
  size_t words_ = 0;            // per row
  std::vector<uint64_t> bits_;  // [area height, words]; bit i of a row is pixel area x + i
};

}  // namespace az::cpu
