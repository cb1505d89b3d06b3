#include "cpu/polygon_fill.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>

#include "math/polygon.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

constexpr int kFarthest = 1 << 20;

using math::FillSide;

std::vector<FillSide> slanted_sides(std::span<const Point> vertices) {
  std::vector<FillSide> sides;
  Point a = vertices.back();
  for (const Point& b : vertices) {
    if (a.y != b.y) sides.push_back(math::fill_side(a.x, a.y, b.x, b.y));
    a = b;
  }
  std::ranges::sort(sides, {}, &FillSide::top);
  return sides;
}

}  // namespace

PolygonFill::PolygonFill(std::span<const Point> vertices, int canvas_height, int canvas_width)
    : height_(canvas_height), width_(canvas_width) {
  AZ_CHECK(canvas_height >= 0 && canvas_width >= 0 && int64_t{canvas_height} * canvas_width <= INT32_MAX,
           "polygon fill: a canvas of {}x{} pixels", canvas_width, canvas_height);
  if (vertices.empty()) return;
  std::vector<Point> points(vertices.begin(), vertices.end());
  for (Point& p : points) p = {std::clamp(p.x, -kFarthest, kFarthest), std::clamp(p.y, -kFarthest, kFarthest)};
  const auto [left, right] = std::ranges::minmax(points, {}, &Point::x);
  const auto [top, bottom] = std::ranges::minmax(points, {}, &Point::y);
  area_ = {std::max(left.x, 0), std::max(top.y, 0), 0, 0};
  area_.width = std::max(std::min(right.x, width_ - 1) - area_.x + 1, 0);
  area_.height = std::max(std::min(bottom.y, height_ - 1) - area_.y + 1, 0);
  words_ = (static_cast<size_t>(area_.width) + 63) / 64;
  bits_.resize(words_ * static_cast<size_t>(area_.height));
  if (bits_.empty()) {
    area_ = {};
    return;
  }
  Point previous = points.back();
  for (const Point& p : points) {
    draw_line(previous, p);
    previous = p;
  }
  fill_inside(points);
}

void PolygonFill::set(int x, int y) {
  if (x < area_.x || x >= area_.x + area_.width || y < area_.y || y >= area_.y + area_.height) return;
  const size_t bit = static_cast<size_t>(x - area_.x);
  row(y)[bit / 64] |= uint64_t{1} << (bit % 64);
}

void PolygonFill::set_range(int first, int last, int y) {
  first = std::max(first - area_.x, 0);
  last = std::min(last - area_.x, area_.width - 1);
  if (first > last) return;
  const size_t a = static_cast<size_t>(first) / 64, b = static_cast<size_t>(last) / 64;
  const uint64_t from = ~uint64_t{0} << (first % 64);
  const uint64_t to = ~uint64_t{0} >> (63 - last % 64);
  uint64_t* words = row(y);
  if (a == b) {
    words[a] |= from & to;
    return;
  }
  words[a] |= from;
  for (size_t i = a + 1; i < b; ++i) words[i] = ~uint64_t{0};
  words[b] |= to;
}

/// 8-connected line from the end with the smaller x; which of two equally near pixels it takes depends on that.
void PolygonFill::draw_line(Point from, Point to) {
  if (to.x < from.x) std::swap(from, to);
  const int64_t dx = to.x - from.x;
  const int64_t dy = std::abs(to.y - from.y);
  const int down = to.y < from.y ? -1 : 1;
  const bool flat = dx >= dy;
  const int64_t longer = flat ? dx : dy, shorter = flat ? dy : dx;
  int64_t error = longer - 2 * shorter;
  for (int64_t i = 0; i <= longer; ++i) {
    set(from.x, from.y);
    const bool step = error < 0;
    error += (step ? 2 * longer : 0) - 2 * shorter;
    if (flat || step) ++from.x;
    if (!flat || step) from.y += down;
  }
}

void PolygonFill::fill_inside(std::span<const Point> vertices) {
  const std::vector<FillSide> sides = slanted_sides(vertices);
  std::vector<FillSide> active;
  std::vector<int64_t> crossings;
  size_t next = 0;
  for (int y = area_.y; y < area_.y + area_.height; ++y) {
    while (next < sides.size() && sides[next].top <= y) active.push_back(sides[next++]);
    std::erase_if(active, [y](const FillSide& s) { return s.bottom <= y; });
    crossings.clear();
    for (const FillSide& s : active) crossings.push_back(s.at(y));
    std::ranges::sort(crossings);
    for (size_t i = 0; i + 1 < crossings.size(); i += 2) {
      const int64_t first = (crossings[i] + math::kFillOne - 1) >> 16, last = crossings[i + 1] >> 16;
      set_range(static_cast<int>(first), static_cast<int>(last), y);
    }
  }
}

bool PolygonFill::at(int x, int y) const {
  if (x < area_.x || x >= area_.x + area_.width || y < area_.y || y >= area_.y + area_.height) return false;
  const size_t bit = static_cast<size_t>(x - area_.x);
  return (row(y)[bit / 64] >> (bit % 64) & 1) != 0;
}

int64_t PolygonFill::pixel_count() const {
  int64_t count = 0;
  for (const uint64_t word : bits_) count += std::popcount(word);
  return count;
}

std::vector<uint32_t> PolygonFill::changes() const {
  // Where a row differs from the one above it, a column's run ends: found row by row, then put in column order.
  struct Change {
    uint32_t column, y;
  };
  std::vector<Change> found;
  std::vector<uint32_t> slot(static_cast<size_t>(area_.width) + 1);
  const std::vector<uint64_t> nothing(words_);
  for (int y = area_.y; y <= area_.y + area_.height && !bits_.empty(); ++y) {
    const uint64_t* above = y == area_.y ? nothing.data() : row(y - 1);
    const uint64_t* here = y == area_.y + area_.height ? nothing.data() : row(y);
    for (size_t w = 0; w < words_; ++w) {
      for (uint64_t differ = above[w] ^ here[w]; differ != 0; differ &= differ - 1) {
        const uint32_t column = static_cast<uint32_t>(w * 64) + static_cast<uint32_t>(std::countr_zero(differ));
        found.push_back({column, static_cast<uint32_t>(y)});
        ++slot[column + 1];
      }
    }
  }
  std::partial_sum(slot.begin(), slot.end(), slot.begin());
  std::vector<uint32_t> positions(found.size());
  for (const Change& c : found) {
    positions[slot[c.column]++] = (static_cast<uint32_t>(area_.x) + c.column) * static_cast<uint32_t>(height_) + c.y;
  }
  return positions;
}

Rle PolygonFill::to_rle() const {
  Rle rle{static_cast<uint32_t>(height_), static_cast<uint32_t>(width_), {}};
  // A column that ends and a next one that begins with foreground make one run: their two changes fall together.
  std::vector<uint32_t> edges;
  for (const uint32_t position : changes()) {
    if (!edges.empty() && edges.back() == position) {
      edges.pop_back();
    } else {
      edges.push_back(position);
    }
  }
  const uint32_t total = rle.height * rle.width;
  if (edges.empty() || edges.back() != total) edges.push_back(total);
  rle.counts.reserve(edges.size());
  uint32_t previous = 0;
  for (const uint32_t edge : edges) {
    rle.counts.push_back(edge - previous);
    previous = edge;
  }
  return rle;
}

Mask PolygonFill::to_mask() const {
  Mask mask{height_, width_, std::vector<uint8_t>(static_cast<size_t>(height_) * static_cast<size_t>(width_))};
  for (int y = area_.y; y < area_.y + area_.height; ++y) {
    uint8_t* pixels = &mask.pixels[static_cast<size_t>(y) * static_cast<size_t>(width_)];
    for (int x = area_.x; x < area_.x + area_.width; ++x) pixels[x] = at(x, y) ? 1 : 0;
  }
  return mask;
}

}  // namespace az::cpu
