#include "cpu/rays.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "math/polar.h"
#include "tensor/error.h"

using namespace az;
using cpu::LabelMode;
using cpu::Point;

namespace {

/// The outline of an axis-parallel square from (-r, -r) to (r, r) around (x, y), clockwise on screen.
std::vector<Point> square(int x, int y, int r) {
  std::vector<Point> points;
  for (int i = -r; i < r; ++i) points.push_back({x + i, y - r});
  for (int i = -r; i < r; ++i) points.push_back({x + r, y + i});
  for (int i = r; i > -r; --i) points.push_back({x + i, y + r});
  for (int i = r; i > -r; --i) points.push_back({x - r, y + i});
  return points;
}

std::vector<float> cast(const std::vector<Point>& contour, int x, int y, LabelMode mode, size_t rays = 36,
                        int run = 3) {
  std::vector<float> out(rays);
  cpu::RayCaster(contour).cast(x, y, mode, run, out);
  return out;
}

}  // namespace

TEST_CASE("angle bins: 0 degrees is down, 90 right") {
  CHECK(math::angle_bin(0, 5) == 0);
  CHECK(math::angle_bin(5, 0) == 90);
  CHECK(math::angle_bin(0, -5) == 180);
  CHECK(math::angle_bin(-5, 0) == 270);
  CHECK(math::angle_bin(0, 0) == 0);
}

TEST_CASE("the fast bins are the rule's, for every offset up to 1408") {
#if defined(AZ_SANITIZED)
  const int stride = 37;
#else
  const int stride = 1;
#endif
  constexpr int kFar = 1408;
  std::vector<float> xs, ys;
  for (int x = -kFar; x <= kFar; x += stride) xs.push_back(static_cast<float>(x));
  std::vector<int32_t> bins(xs.size());
  std::vector<float> squared(xs.size());
  int64_t wrong = 0;
  for (int y = -kFar; y <= kFar; ++y) {
    ys.assign(xs.size(), static_cast<float>(y));
    cpu::angle_bins(xs, ys, 0, 0, bins, squared);
    for (size_t i = 0; i < xs.size(); ++i) {
      wrong += bins[i] != math::angle_bin(xs[i], ys[i]);
      wrong += squared[i] != xs[i] * xs[i] + ys[i] * ys[i];
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("compat rays take the farthest pixel of the first occupied bin, without wrapping around 0") {
  // Two pixels at 90 degrees: the farther counts. One at 358: ray 0 may not use it, ray 35 is too far from it.
  const std::vector<Point> contour = {{10, 0}, {25, 0}, {-4, 100}};
  const auto rays = cast(contour, 0, 0, LabelMode::compat);
  CHECK(rays[9] == 25.0f);
  for (size_t k = 0; k < 36; ++k) {
    if (k != 9) CHECK(rays[k] == math::kMissingRay);
  }
}

TEST_CASE("a ray looks one bin up before one bin down, and no farther than a third of the step") {
  const auto at = [](double degrees, double length) {
    const double a = degrees * std::numbers::pi / 180;
    return Point{static_cast<int>(std::lround(length * std::sin(a))),
                 static_cast<int>(std::lround(length * std::cos(a)))};
  };
  CHECK(cast({at(51.5, 1000), at(49.5, 900)}, 0, 0, LabelMode::compat)[5] == doctest::Approx(1000).epsilon(1e-3));
  CHECK(cast({at(49.5, 900), at(52.5, 1000)}, 0, 0, LabelMode::compat)[5] == doctest::Approx(900).epsilon(1e-3));
  CHECK(cast({at(53.5, 700)}, 0, 0, LabelMode::compat)[5] == doctest::Approx(700).epsilon(1e-3));
  CHECK(cast({at(54.5, 700)}, 0, 0, LabelMode::compat)[5] == math::kMissingRay);
  CHECK(cast({at(47.5, 700)}, 0, 0, LabelMode::compat)[5] == doctest::Approx(700).epsilon(1e-3));
  CHECK(cast({at(46.5, 700)}, 0, 0, LabelMode::compat)[5] == math::kMissingRay);
  // 72 rays: step 5, one bin to either side.
  CHECK(cast({at(51.5, 700)}, 0, 0, LabelMode::compat, 72)[10] == doctest::Approx(700).epsilon(1e-3));
  CHECK(cast({at(52.5, 700)}, 0, 0, LabelMode::compat, 72)[10] == math::kMissingRay);
}

TEST_CASE("a contour pixel equal to the location gives ray 0 the length 0") {
  CHECK(cast({{3, 4}}, 3, 4, LabelMode::compat)[0] == 0.0f);
}

TEST_CASE("filled rays interpolate short gaps around the circle and leave long ones") {
  std::vector<Point> contour = square(0, 0, 200);
  const auto whole = cast(contour, 0, 0, LabelMode::compat);
  // Takes out the directions of rays 34 and 35, a gap that ends at ray 0, and of rays 8 to 11, one too long.
  std::erase_if(contour, [](const Point& p) {
    const int bin = math::angle_bin(static_cast<float>(p.x), static_cast<float>(p.y));
    return (bin >= 335 && bin < 360) || (bin >= 75 && bin < 115);
  });
  const auto gaps = cast(contour, 0, 0, LabelMode::compat);
  REQUIRE(gaps[34] == math::kMissingRay);
  REQUIRE(gaps[9] == math::kMissingRay);
  const auto filled = cast(contour, 0, 0, LabelMode::filled);
  CHECK(filled[34] == doctest::Approx(whole[33] + (whole[0] - whole[33]) / 3));
  CHECK(filled[35] == doctest::Approx(whole[33] + (whole[0] - whole[33]) * 2 / 3));
  CHECK(filled[9] == math::kMissingRay);
  CHECK(cast(contour, 0, 0, LabelMode::filled, 36, 4)[9] > 100.0f);
  for (size_t k = 12; k < 34; ++k) CHECK(filled[k] == whole[k]);
}

TEST_CASE("filled rays need a third of the rays to be found") {
  std::vector<Point> few, enough;
  for (int k = 0; k < 12; ++k) {
    const math::Direction d = math::ray_direction(2 * k, 36);
    const Point p{static_cast<int>(std::lround(1000 * d.x)), static_cast<int>(std::lround(1000 * d.y))};
    enough.push_back(p);
    if (k < 11) few.push_back(p);
  }
  CHECK(cast(few, 0, 0, LabelMode::filled)[1] == math::kMissingRay);
  CHECK(cast(enough, 0, 0, LabelMode::filled)[1] > 900.0f);
}

TEST_CASE("exact rays meet the polygon's sides where geometry says") {
  const std::vector<Point> contour = square(7, -3, 90);
  for (const size_t n : {36u, 24u, 7u, 72u}) {
    CAPTURE(n);
    const auto rays = cast(contour, 7, -3, LabelMode::exact, n);
    for (size_t k = 0; k < n; ++k) {
      const double a = 2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
      CHECK(rays[k] == doctest::Approx(90.0 / std::max(std::fabs(std::sin(a)), std::fabs(std::cos(a)))).epsilon(1e-6));
    }
  }
  // Off the centre, with long segments: only the corners are given.
  const std::vector<Point> corners = {{-10, -10}, {50, -10}, {50, 30}, {-10, 30}};
  const auto rays = cast(corners, 0, 0, LabelMode::exact);
  CHECK(rays[0] == doctest::Approx(30));
  CHECK(rays[9] == doctest::Approx(50));
  CHECK(rays[18] == doctest::Approx(10));
  CHECK(rays[27] == doctest::Approx(10));
}

TEST_CASE("exact rays fill whatever is missing from outside the polygon, and give up only without any crossing") {
  const auto rays = cast(square(100, 0, 20), 0, 0, LabelMode::exact);
  CHECK(rays[9] == doctest::Approx(120));
  for (const float d : rays) CHECK(d > 70.0f);
  for (const float d : cast({{5, 5}}, 5, 5, LabelMode::exact)) CHECK(d == math::kMissingRay);
}

TEST_CASE("exact rays from a location on the contour are positive") {
  for (const float d : cast(square(0, 0, 20), 20, 0, LabelMode::exact)) CHECK(d > 0.0f);
  for (const float d : cast(square(0, 0, 20), 19, 19, LabelMode::exact)) CHECK(d > 0.0f);
}

TEST_CASE("wrong arguments are refused by name") {
  CHECK_THROWS_WITH_AS(cpu::label_mode("nearest"), "labels = \"nearest\": want compat, filled or exact", Error);
  CHECK(cpu::label_mode("exact") == LabelMode::exact);
  CHECK_THROWS_AS(cpu::RayCaster(std::vector<Point>{}), Error);
  CHECK_THROWS_AS(cast({{1, 1}}, 0, 0, LabelMode::compat, 2), Error);
  CHECK_THROWS_AS(cast({{1, 1}}, 0, 0, LabelMode::compat, 361), Error);
}
