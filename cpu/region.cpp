#include "cpu/region.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/error.h"

namespace az::cpu {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr double kFar = 1 << 30;  // pixels; what is farther off meets no grid
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Bounding {
  float left = kInfinity, top = kInfinity, right = -kInfinity, bottom = -kInfinity;
  float area() const { return (right - left) * (bottom - top); }
};

/// Whole pixels around the corners, clipped; a box outside the bounds comes out with negative sides.
Bounding bounding_of(std::span<const float> corners, const std::optional<RegionBounds>& bounds) {
  Bounding b;
  for (size_t i = 0; i < corners.size(); i += 2) {
    b.left = std::min(b.left, corners[i]);
    b.right = std::max(b.right, corners[i]);
    b.top = std::min(b.top, corners[i + 1]);
    b.bottom = std::max(b.bottom, corners[i + 1]);
  }
  b = {std::floor(b.left), std::floor(b.top), std::ceil(b.right), std::ceil(b.bottom)};
  if (bounds) {
    b = {std::max(b.left, 0.0F), std::max(b.top, 0.0F), std::min(b.right, bounds->width),
         std::min(b.bottom, bounds->height)};
  }
  return b;
}

/// Intersection over union of the boxes; two boxes apart in both directions multiply two negative sides.
float box_overlap(const Bounding& a, const Bounding& b) {
  const float common =
      (std::min(a.right, b.right) - std::max(a.left, b.left)) * (std::min(a.bottom, b.bottom) - std::max(a.top, b.top));
  const float share = common / (a.area() + b.area() - common);
  return 0.0F > share ? 0.0F : share;  // not a number passes
}

std::vector<float> shifted(std::span<const float> corners, float x, float y) {
  std::vector<float> moved(corners.begin(), corners.end());
  for (size_t i = 0; i < moved.size(); i += 2) {
    moved[i] -= x;
    moved[i + 1] -= y;
  }
  return moved;
}

/// Where row y crosses the polygon's edges, ascending. A corner on the row counts for both of its edges.
void crossings(std::span<const float> rounded, int y, std::vector<int>& nodes) {
  nodes.clear();
  const size_t count = rounded.size() / 2;
  for (size_t i = 0, j = count - 1; i < count; j = i++) {
    const double xi = rounded[2 * i], yi = rounded[2 * i + 1], xj = rounded[2 * j], yj = rounded[2 * j + 1];
    if (yi == yj || std::min(yi, yj) > y || std::max(yi, yj) < y) continue;
    nodes.push_back(static_cast<int>(std::clamp(xi + (y - yi) / (yj - yi) * (xj - xi), -kFar, kFar)));
  }
  std::ranges::sort(nodes);
}

}  // namespace

std::vector<float> region_corners(const Region& region) {
  const std::vector<float>& v = region.values;
  AZ_CHECK(v.size() >= 4 && v.size() % 2 == 0 && v.size() <= 4096,
           "region: {} values, want 4 (x, y, w, h) or an even number of at least 6 (corners)", v.size());
  if (!region.rectangle()) return v;
  return {v[0], v[1], v[0] + v[2], v[1], v[0] + v[2], v[1] + v[3], v[0], v[1] + v[3]};
}

RegionRaster rasterise_region(std::span<const float> corners, int width, int height) {
  RegionRaster raster;
  raster.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height));
  std::vector<float> rounded(corners.begin(), corners.end());
  for (float& v : rounded) v = std::round(v);
  std::vector<int> nodes;
  for (int y = 0; y < height; ++y) {
    crossings(rounded, y, nodes);
    uint8_t* row = raster.pixels.data() + static_cast<size_t>(y) * static_cast<size_t>(width);
    for (size_t k = 0; k + 1 < nodes.size();) {
      if (nodes[k] == nodes[k + 1]) {  // a corner on the row, or a span one pixel wide: one of the two is dropped
        ++k;
        continue;
      }
      if (nodes[k] >= width) break;
      if (nodes[k + 1] >= 0) {
        const int first = std::max(nodes[k], 0), last = std::min(nodes[k + 1], width - 1);
        std::fill(row + first, row + last + 1, uint8_t{1});
        raster.span_pixels += last - first + 1;
      }
      k += 2;
    }
  }
  return raster;
}

float region_overlap(const Region& a, const Region& b, const std::optional<RegionBounds>& bounds) {
  if (a.special() || b.special()) return kNaN;
  const std::vector<float> p = region_corners(a), q = region_corners(b);
  const Bounding bp = bounding_of(p, bounds), bq = bounding_of(q, bounds);
  const float x = std::min(bp.left, bq.left), y = std::min(bp.top, bq.top);
  const float width = std::trunc(std::max(bp.right, bq.right) - x) + 1;
  const float height = std::trunc(std::max(bp.bottom, bq.bottom) - y) + 1;
  const float ap = bp.area(), aq = bq.area();
  if (ap / aq < 1e-10F || aq / ap < 1e-10F || width < 1 || height < 1) return 0;
  if (box_overlap(bp, bq) == 0) return 0;
  AZ_CHECK(width * height <= static_cast<float>(1 << 28), "region: {} x {} pixels to compare, at most 2^28", width,
           height);
  const RegionRaster rp = rasterise_region(shifted(p, x, y), static_cast<int>(width), static_cast<int>(height));
  const RegionRaster rq = rasterise_region(shifted(q, x, y), static_cast<int>(width), static_cast<int>(height));
  int64_t both = 0, either = 0;
  for (size_t i = 0; i < rp.pixels.size(); ++i) {
    both += rp.pixels[i] & rq.pixels[i];
    either += rp.pixels[i] | rq.pixels[i];
  }
  return static_cast<float>(both) / static_cast<float>(either);
}

InitialBox initial_box(const Region& region) {
  const std::vector<float>& v = region.values;
  if (region.rectangle()) {
    const double w = v[2], h = v[3];
    return {v[0] + w / 2, v[1] + h / 2, w, h};
  }
  AZ_CHECK(v.size() == 8, "region: {} values, want 4 (x, y, w, h) or 8 (four corners) to start a tracker", v.size());
  const auto side = [&](size_t i, size_t j) {
    return std::hypot(static_cast<double>(v[i]) - v[j], static_cast<double>(v[i + 1]) - v[j + 1]);
  };
  const auto [x1, x2] = std::minmax({v[0], v[2], v[4], v[6]});
  const auto [y1, y2] = std::minmax({v[1], v[3], v[5], v[7]});
  const double width = static_cast<double>(x2) - x1, height = static_cast<double>(y2) - y1;
  AZ_CHECK(width > 0 && height > 0, "region: the corners of ({}, {}), … enclose no area to start a tracker from", v[0],
           v[1]);
  const double scale = std::sqrt(side(0, 2) * side(2, 4) / (width * height));
  const auto mean = [&](size_t i) { return (static_cast<double>(v[i]) + v[i + 2] + v[i + 4] + v[i + 6]) / 4; };
  return {mean(0), mean(1), scale * width + 1, scale * height + 1};
}

}  // namespace az::cpu
