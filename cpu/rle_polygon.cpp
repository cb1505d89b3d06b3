// Polygons to runs, as rleFrPoly: corners on a grid of fifths of a pixel, edges walked on that grid, and the crossings
// of pixel columns (every fifth column of the grid) sorted. The reference lists every grid point of every edge; only
// the points beside a pixel column's crossing matter, so those are computed directly, by the same formula.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "cpu/rle.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

constexpr double kGrid = 5;   // grid points a pixel
constexpr size_t kMany = 16;  // crossings of a column that are worth a sort

struct Point {
  int64_t x, y;
};

Point to_grid(double x, double y) {
  AZ_CHECK(std::abs(x) <= kMaxPolygonCoordinate && std::abs(y) <= kMaxPolygonCoordinate,
           "the polygon has the coordinates ({}, {})", x, y);
  return {static_cast<int64_t>(kGrid * x + 0.5), static_cast<int64_t>(kGrid * y + 0.5)};
}

// The grid's value along the minor axis, t steps from where the edge starts. Truncates toward zero, as the reference.
int64_t along(int64_t start, double slope, int64_t t) {
  return static_cast<int64_t>(static_cast<double>(start) + slope * static_cast<double>(t) + 0.5);
}

class Crossings {
 public:
  Crossings(uint32_t height, uint32_t width) : height_(height), width_(width) {}

  /// Records where the edge crosses pixel columns.
  void add_edge(Point a, Point b) {
    const int64_t dx = std::abs(b.x - a.x), dy = std::abs(b.y - a.y);
    if (dx == 0) return;  // it stays in its grid column
    if (dx >= dy) {
      if (a.x > b.x) std::swap(a, b);
      add_flat_edge(a, b, dx);
    } else {
      if (a.y > b.y) std::swap(a, b);
      add_steep_edge(a, b, dy);
    }
  }

  /// The runs between the crossings, with those that meet joined: an even-odd fill.
  std::vector<uint32_t> runs() {
    sort_by_column();
    at_.push_back(height_ * width_);
    uint32_t before = 0;
    for (uint32_t& at : at_) {
      const uint32_t difference = at - before;
      before = at;
      at = difference;
    }
    std::vector<uint32_t> runs = {at_[0]};
    for (size_t i = 1; i < at_.size(); ++i) {
      if (at_[i] > 0)
        runs.push_back(at_[i]);
      else if (++i < at_.size())
        runs.back() += at_[i];
    }
    return runs;
  }

 private:
  // The pixel columns x whose crossing, between the grid columns 5x + 2 and 5x + 3, lies within [low, high].
  template <class F>
  void for_columns(int64_t low, int64_t high, const F& f) const {
    const int64_t first = low <= 2 ? 0 : (low - 2 + 4) / 5;
    const int64_t last = std::min<int64_t>(high < 3 ? -1 : (high - 3) / 5, int64_t{width_} - 1);
    for (int64_t x = first; x <= last; ++x) f(x, 5 * x + 2);
  }

  // As many steps along x as along y, or more: a grid point for each grid column.
  void add_flat_edge(Point a, Point b, int64_t dx) {
    const double slope = static_cast<double>(b.y - a.y) / static_cast<double>(dx);
    for_columns(a.x, b.x, [&](int64_t x, int64_t column) {
      const int64_t t = column - a.x;
      record(x, std::min(along(a.y, slope, t), along(a.y, slope, t + 1)));
    });
  }

  // A grid point for each grid row: looks for the first row past the crossing. `along` is monotone in t.
  void add_steep_edge(Point a, Point b, int64_t dy) {
    const double slope = static_cast<double>(b.x - a.x) / static_cast<double>(dy);
    const int64_t start = along(a.x, slope, 0), end = along(a.x, slope, dy);
    const bool rising = slope > 0;
    const auto past = [&](int64_t t, int64_t column) { return (along(a.x, slope, t) > column) == rising; };
    for_columns(std::min(start, end), std::max(start, end), [&](int64_t x, int64_t column) {
      const double guess = (static_cast<double>(column - a.x) + 0.5) / slope;  // a step or two off, by roundings
      auto before = static_cast<int64_t>(std::clamp(guess, 0.0, static_cast<double>(dy - 1)));
      while (before > 0 && past(before, column)) --before;
      while (before + 1 < dy && !past(before + 1, column)) ++before;
      record(x, before + a.y);
    });
  }

  void record(int64_t x, int64_t row) {
    const double y = (static_cast<double>(row) + 0.5) / kGrid - 0.5;
    const double clamped = std::ceil(std::clamp(y, 0.0, static_cast<double>(height_)));
    const auto column = static_cast<uint32_t>(x);
    low_ = std::min(low_, column);
    high_ = std::max(high_, column);
    at_.push_back(column * height_ + static_cast<uint32_t>(clamped));
    column_.push_back(column);
  }

  // A few crossings a column: into their columns first, then in order within each.
  void sort_by_column() {
    if (at_.empty()) return;
    std::vector<uint32_t> next(high_ - low_ + 2), sorted(at_.size());
    for (const uint32_t column : column_) ++next[column - low_ + 1];
    for (size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
    for (size_t i = 0; i < at_.size(); ++i) sorted[next[column_[i] - low_]++] = at_[i];
    for (size_t c = 0, begin = 0; c + 1 < next.size(); begin = next[c++])
      if (next[c] - begin > kMany) std::sort(sorted.begin() + static_cast<ptrdiff_t>(begin), sorted.begin() + next[c]);
    for (size_t i = 1; i < sorted.size(); ++i)
      for (size_t j = i; j > 0 && sorted[j - 1] > sorted[j]; --j) std::swap(sorted[j - 1], sorted[j]);
    at_ = std::move(sorted);
  }

  uint32_t height_, width_;
  uint32_t low_ = UINT32_MAX, high_ = 0;  // columns with crossings
  std::vector<uint32_t> at_;              // index of the first pixel past each crossing
  std::vector<uint32_t> column_;          // of each
};

}  // namespace

Rle rle_from_polygon(std::span<const double> xy, uint32_t height, uint32_t width) {
  AZ_CHECK(uint64_t{height} * width <= UINT32_MAX, "a picture of {} x {} has more pixels than a run can count", width,
           height);
  Crossings crossings(height, width);
  const size_t count = xy.size() / 2;
  if (count > 0) {
    const Point first = to_grid(xy[0], xy[1]);
    Point from = first;
    for (size_t i = 1; i < count; ++i) {
      const Point to = to_grid(xy[2 * i], xy[2 * i + 1]);
      crossings.add_edge(from, to);
      from = to;
    }
    crossings.add_edge(from, first);
  }
  return {height, width, crossings.runs()};
}

Rle rle_from_polygons(std::span<const std::span<const double>> parts, uint32_t height, uint32_t width) {
  if (parts.empty()) return {height, width, {height * width}};
  std::vector<Rle> masks;
  masks.reserve(parts.size());
  for (const std::span<const double> part : parts) masks.push_back(rle_from_polygon(part, height, width));
  return rle_union(masks);
}

Rle rle_from_polygons(std::span<const std::vector<double>> parts, uint32_t height, uint32_t width) {
  const std::vector<std::span<const double>> spans(parts.begin(), parts.end());
  return rle_from_polygons(std::span<const std::span<const double>>(spans), height, width);
}

Rle rle_from_box(const Box& box, uint32_t height, uint32_t width) {
  const double left = box[0], top = box[1], right = box[0] + box[2], bottom = box[1] + box[3];
  const std::array corners = {left, top, left, bottom, right, bottom, right, top};
  return rle_from_polygon(corners, height, width);
}

}  // namespace az::cpu
