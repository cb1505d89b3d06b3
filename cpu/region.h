// Regions of the VOT challenge and their overlap, which counts pixels exactly as the toolkits do (specs/vot.md 5:
// STVIR/pysot toolkit/utils/src/region.c).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace az::cpu {

/// One number: a code (1 start, 2 failure, 0 skipped). Four: x, y, w, h. Otherwise the corners x0, y0, x1, y1, …
/// Coordinates in pixels.
struct Region {
  std::vector<float> values;

  bool special() const { return values.size() == 1; }
  bool rectangle() const { return values.size() == 4; }
  bool operator==(const Region&) const = default;
};

/// A region that is not special as its corners; a rectangle's are (x, y), (x+w, y), (x+w, y+h), (x, y+h).
/// Error: a special region, or a number of values that is no region.
std::vector<float> region_corners(const Region& region);

/// Pixels of a polygon.
struct RegionRaster {
  std::vector<uint8_t> pixels;  ///< [height, width], 1 inside
  int64_t span_pixels = 0;      ///< the spans' lengths added up: where spans of a polygon meet a pixel counts twice
};
/// Scan conversion of `corners` (x0, y0, …) on a grid of width x height.
RegionRaster rasterise_region(std::span<const float> corners, int width, int height);

/// Columns 0 to width and rows 0 to height, both ends included.
struct RegionBounds {
  float width = 0, height = 0;
};
/// Common pixels over covered pixels, in 0 to 1; 0 where the bounding boxes do not overlap. Not a number for a special
/// region, and where neither region has a pixel inside the bounds. No bounds: the plane.
/// Error: more than 2^28 pixels to count.
float region_overlap(const Region& a, const Region& b, const std::optional<RegionBounds>& bounds = {});

/// The upright box that a tracker starts from (SiamMask, utils/bbox_helper.py get_axis_aligned_bbox).
struct InitialBox {
  double cx = 0, cy = 0, w = 0, h = 0;  ///< centre and size, pixels
};
/// Of a rectangle, itself; of four corners, the box around their mean with the polygon's area.
/// Error: a region that is neither, or four corners without an area.
InitialBox initial_box(const Region& region);

}  // namespace az::cpu
