// The outlines of a binary mask: its outer contours, their areas, and of the largest the mass centre.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace az::cpu {

struct Point {
  int32_t x = 0;
  int32_t y = 0;

  bool operator==(const Point&) const = default;
};

struct Rect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

/// A binary mask that lies elsewhere: pixels[y * stride + x], 0 is background, anything else foreground.
struct MaskView {
  const uint8_t* pixels = nullptr;  // [height, width]
  int height = 0;
  int width = 0;
  int64_t stride = 0;
};

/// What the labels need of an object. An empty contour means that the mask has no pixel.
struct ObjectShape {
  std::vector<Point> contour;  // every border pixel in traversal order; one-pixel-wide parts appear on both ways
  Point centre;                // mass centre of the filled contour, truncated; may lie outside the mask
  double area = 0;             // of the polygon through the contour's pixel centres, px^2
  bool fallback = false;       // area 0: the centre is the truncated mean of the contour's points
  int components = 0;          // 8-connected parts of the mask; all but the one with the largest area are dropped
  int64_t pixels = 0;          // of all parts
  int64_t kept_pixels = 0;     // of the part whose contour this is
};

/// Contour, area and centre of the mask's part with the largest contour area; of equal ones the part found last in
/// raster order, as OpenCV's findContours (no approximation) and a stable sort by area give it.
/// bounds  rectangle that holds every foreground pixel of the object; nothing outside it is looked at
/// Error: a rectangle that leaves the mask.
ObjectShape describe(const MaskView& mask, const Rect& bounds);
/// The same, over the whole mask.
ObjectShape describe(const MaskView& mask);

/// describe() again and again, in the same memory.
class ContourFinder {
 public:
  ContourFinder();
  ~ContourFinder();
  /// The result stays until the next call. Error: a rectangle that leaves the mask.
  const ObjectShape& describe(const MaskView& mask, const Rect& bounds);

 private:
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

/// The outer border of every 8-connected part, each as ObjectShape::contour, in raster order of their first pixels.
std::vector<std::vector<Point>> outer_contours(const MaskView& mask);
/// Of the polygon through the points, px^2; 0 for none.
double contour_area(const std::vector<Point>& contour);

/// Smallest rectangle that holds the mask's foreground; width 0 when there is none.
Rect bounding_rect(const MaskView& mask);

}  // namespace az::cpu
