#include "cpu/rotated_rect.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "cpu/contour.h"
#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;
using cpu::Point;

namespace {

/// The smallest area over all directions between two of the points: an edge of the hull is among them.
double least_area(const std::vector<Point>& points) {
  double least = INFINITY;
  for (const Point& a : points)
    for (const Point& b : points) {
      const double dx = b.x - a.x, dy = b.y - a.y, length = std::hypot(dx, dy);
      if (length == 0) continue;
      double low = INFINITY, high = -INFINITY, near = INFINITY, far = -INFINITY;
      for (const Point& p : points) {
        const double s = (p.x * dx + p.y * dy) / length, t = (p.y * dx - p.x * dy) / length;
        low = std::min(low, s), high = std::max(high, s), near = std::min(near, t), far = std::max(far, t);
      }
      least = std::min(least, (high - low) * (far - near));
    }
  return std::isinf(least) ? 0 : least;
}

/// How far the points reach out of the rectangle.
double outside(const cpu::RotatedRect& r, const std::vector<Point>& points) {
  const auto& a = r.corners[0];
  double worst = 0;
  for (const size_t k : {1U, 3U}) {
    const double dx = r.corners[k][0] - a[0], dy = r.corners[k][1] - a[1], length = std::hypot(dx, dy);
    for (const Point& p : points) {
      if (length == 0) continue;
      const double s = ((p.x - a[0]) * dx + (p.y - a[1]) * dy) / length;
      worst = std::max({worst, -s, s - length});
    }
  }
  return worst;
}

std::vector<Point> random_points(Rng& rng, int i) {
  std::vector<Point> points(static_cast<size_t>(rng.integer(1, 30)));
  const int64_t reach = i % 3 == 0 ? 3 : 40;
  for (Point& p : points)
    p = {static_cast<int32_t>(rng.integer(-reach, reach)), static_cast<int32_t>(rng.integer(-reach, reach))};
  if (i % 11 == 0)
    for (Point& p : points) p.y = p.x;  // a line
  return points;
}

}  // namespace

TEST_CASE("the smallest rectangle holds every point and has the least area of any direction") {
  Rng rng(1, Purpose::test);
  cpu::RectFinder finder;
  for (int i = 0; i < 400; ++i) {
    const auto points = random_points(rng, i);
    const cpu::RotatedRect rect = finder.smallest(points);
    CAPTURE(i);
    CHECK(rect.area() == doctest::Approx(least_area(points)).epsilon(1e-9).scale(1));
    CHECK(outside(rect, points) < 1e-9);
    const auto side = [&](size_t a, size_t b) {
      return std::hypot(rect.corners[a][0] - rect.corners[b][0], rect.corners[a][1] - rect.corners[b][1]);
    };
    CHECK(side(0, 1) == doctest::Approx(rect.width).scale(1));
    CHECK(side(1, 2) == doctest::Approx(rect.height).scale(1));
  }
}

TEST_CASE("the hull has no corner inside it or on a line") {
  cpu::RectFinder finder;
  std::vector<Point> points;
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 7; ++x) points.push_back({x, y});
  const cpu::RotatedRect rect = finder.smallest(points);
  CHECK(rect.area() == 24.0);
  CHECK(finder.hull() == std::vector<Point>{{0, 0}, {6, 0}, {6, 4}, {0, 4}});
}

TEST_CASE("one point and points on a line have a rectangle without area") {
  cpu::RectFinder finder;
  const std::vector<Point> one = {{3, 4}};
  CHECK(finder.smallest(one).corners[2] == std::array<double, 2>{3, 4});
  const std::vector<Point> line = {{0, 0}, {2, 1}, {4, 2}};
  const cpu::RotatedRect rect = finder.smallest(line);
  CHECK(rect.area() == 0.0);
  CHECK(rect.width == doctest::Approx(std::sqrt(20.0)));
  CHECK_THROWS_WITH_AS(finder.smallest({}), "rotated rectangle: no points", Error);
  const std::vector<Point> far = {{0, 0}, {0, 3 << 20}};
  CHECK_THROWS_AS(finder.smallest(far), Error);
}

TEST_CASE("a contour's area counts the squares between four pixels, and half of those between three") {
  Rng rng(2, Purpose::test);
  cpu::ContourFinder finder;  // one for all: what it keeps from a mask must not show in the next
  for (int i = 0; i < 200; ++i) {
    const int w = static_cast<int>(rng.integer(1, 24)), h = static_cast<int>(rng.integer(1, 20));
    std::vector<uint8_t> mask(static_cast<size_t>(w * h));
    const double density = rng.uniform(0.2, 0.95);
    for (uint8_t& p : mask) p = rng.uniform() < density ? 1 : 0;
    const cpu::MaskView view{mask.data(), h, w, w};
    double largest = 0;
    for (const auto& contour : cpu::outer_contours(view)) {
      const double area = cpu::contour_area(contour);
      largest = std::max(largest, area);
      // Fill: what the outside cannot reach in four directions, over a border of one, without crossing the contour.
      const int fw = w + 2, fh = h + 2;
      std::vector<uint8_t> part(static_cast<size_t>(fw * fh), 1);
      const auto at = [&](int x, int y) -> uint8_t& { return part[static_cast<size_t>(y * fw + x)]; };
      for (const Point& p : contour) at(p.x + 1, p.y + 1) = 2;
      std::vector<Point> open = {{0, 0}};
      at(0, 0) = 0;
      while (!open.empty()) {
        const Point p = open.back();
        open.pop_back();
        for (const Point& q : {Point{p.x + 1, p.y}, Point{p.x - 1, p.y}, Point{p.x, p.y + 1}, Point{p.x, p.y - 1}})
          if (q.x >= 0 && q.y >= 0 && q.x < fw && q.y < fh && at(q.x, q.y) == 1) at(q.x, q.y) = 0, open.push_back(q);
      }
      double want = 0;
      for (int y = 0; y + 1 < fh; ++y)
        for (int x = 0; x + 1 < fw; ++x) {
          const int set = (at(x, y) != 0) + (at(x + 1, y) != 0) + (at(x, y + 1) != 0) + (at(x + 1, y + 1) != 0);
          want += set == 4 ? 1 : set == 3 ? 0.5 : 0;
        }
      CHECK(area == want);
    }
    const cpu::ObjectShape& shape = finder.describe(view, {0, 0, w, h});
    CAPTURE(i);
    CHECK(shape.area == largest);
    CHECK(shape.contour == cpu::describe(view).contour);
  }
}
