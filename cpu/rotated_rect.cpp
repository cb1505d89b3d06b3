#include "cpu/rotated_rect.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tensor/error.h"

namespace az::cpu {
namespace {

struct Vector {
  int64_t x, y;
};

Vector between(Point from, Point to) { return {int64_t{to.x} - from.x, int64_t{to.y} - from.y}; }
int64_t cross(Vector a, Vector b) { return a.x * b.y - a.y * b.x; }
int64_t dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y; }

/// Adds a point to a chain that turns one way only.
void extend(std::vector<Point>& chain, size_t begin, Point p) {
  while (chain.size() >= begin + 2 &&
         cross(between(chain[chain.size() - 2], chain.back()), between(chain.back(), p)) <= 0)
    chain.pop_back();
  chain.push_back(p);
}

/// The rectangle with one side along the hull's edge from `a`, in units of the edge: it reaches from `back` to `ahead`
/// along the edge and `across` away from it, each times the edge's length.
struct Candidate {
  Point a;
  Vector edge;
  int64_t back, ahead, across;

  double area() const {
    return static_cast<double>(ahead - back) * static_cast<double>(across) / static_cast<double>(dot(edge, edge));
  }
  RotatedRect rect() const {
    const auto square = static_cast<double>(dot(edge, edge));
    const double ex = static_cast<double>(edge.x), ey = static_cast<double>(edge.y), length = std::sqrt(square);
    const auto corner = [&](int64_t along, int64_t aside) -> std::array<double, 2> {
      const double s = static_cast<double>(along) / square, t = static_cast<double>(aside) / square;
      return {a.x + s * ex - t * ey, a.y + s * ey + t * ex};
    };
    return {{corner(back, 0), corner(ahead, 0), corner(ahead, across), corner(back, across)},
            static_cast<double>(ahead - back) / length,
            static_cast<double>(across) / length};
  }
};

}  // namespace

void RectFinder::find_extents(std::span<const Point> points) {
  AZ_CHECK(!points.empty(), "rotated rectangle: no points");
  auto [top, bottom] = std::ranges::minmax(points, {}, &Point::y);
  const auto [left, right] = std::ranges::minmax(points, {}, &Point::x);
  constexpr int64_t kMost = 1 << 20;
  AZ_CHECK(int64_t{bottom.y} - top.y <= kMost && int64_t{right.x} - left.x <= kMost,
           "rotated rectangle: points further than 2^20 apart");
  top_ = top.y;
  extents_.assign(static_cast<size_t>(bottom.y - top.y) + 1,
                  {std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()});
  for (const Point& p : points) {
    Extent& e = extents_[static_cast<size_t>(p.y - top_)];
    e = {std::min(e.first, p.x), std::max(e.last, p.x)};
  }
}

/// The right chain downwards, then the left one upwards: only a row's ends can be corners.
void RectFinder::find_hull() {
  hull_.clear();
  const auto rows = static_cast<int32_t>(extents_.size());
  const auto extent = [&](int32_t i) { return extents_[static_cast<size_t>(i)]; };
  for (int32_t i = 0; i < rows; ++i) {
    if (extent(i).first > extent(i).last) continue;
    if (i == 0 && extent(0).first < extent(0).last) hull_.push_back({extent(0).first, top_});
    extend(hull_, 0, {extent(i).last, top_ + i});
  }
  const size_t turn = hull_.size() - 1;
  for (int32_t i = rows - 1; i >= 0; --i) {
    if (extent(i).first > extent(i).last) continue;
    const Point p{extent(i).first, top_ + i};
    if (p != hull_.back()) extend(hull_, turn, p);
  }
  if (hull_.size() > 1 && hull_.back() == hull_.front()) hull_.pop_back();
}

RotatedRect RectFinder::smallest(std::span<const Point> points) {
  find_extents(points);
  find_hull();
  const size_t n = hull_.size();
  const auto corner = [](Point p) -> std::array<double, 2> {
    return {static_cast<double>(p.x), static_cast<double>(p.y)};
  };
  if (n <= 2) {
    const Point a = hull_.front(), b = hull_.back();
    return {{corner(a), corner(b), corner(b), corner(a)},
            std::sqrt(static_cast<double>(dot(between(a, b), between(a, b)))),
            0};
  }
  Candidate best{};
  double least = std::numeric_limits<double>::infinity();
  // The corners furthest ahead, across and back; as the edge turns once around, so do they.
  size_t ahead = 1, across = 1, back = 0;
  for (size_t i = 0; i < n; ++i) {
    const Point a = hull_[i];
    const Vector edge = between(a, hull_[(i + 1) % n]);
    const auto along = [&](size_t k) { return dot(edge, between(a, hull_[k % n])); };
    const auto aside = [&](size_t k) { return cross(edge, between(a, hull_[k % n])); };
    ahead = std::max(ahead, i + 1);
    while (along(ahead + 1) >= along(ahead) && ahead < i + n) ++ahead;
    across = std::max(across, ahead);
    while (aside(across + 1) >= aside(across) && across < i + n) ++across;
    back = std::max(back, across);
    while (along(back + 1) <= along(back) && back < i + n) ++back;
    const Candidate c{a, edge, along(back), along(ahead), aside(across)};
    if (c.area() < least) least = c.area(), best = c;
  }
  return best.rect();
}

}  // namespace az::cpu
