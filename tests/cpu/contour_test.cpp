#include "cpu/contour.h"

#include <doctest/doctest.h>

#include <string>

#include "tensor/error.h"

using namespace az;
using cpu::Point;

namespace {

/// A mask drawn with '#', one string a row.
struct Drawing {
  std::vector<uint8_t> pixels;
  cpu::MaskView view;

  explicit Drawing(const std::vector<std::string>& rows) {
    for (const std::string& row : rows) {
      for (const char c : row) pixels.push_back(c == '#' ? 255 : 0);
    }
    const int width = static_cast<int>(rows.front().size());
    view = {pixels.data(), static_cast<int>(rows.size()), width, width};
  }
};

}  // namespace

TEST_CASE("the contour of a square starts at its first pixel and goes down the left side") {
  const Drawing d({".....", ".###.", ".###.", ".###.", "....."});
  const cpu::ObjectShape shape = cpu::describe(d.view);
  const std::vector<Point> want = {{1, 1}, {1, 2}, {1, 3}, {2, 3}, {3, 3}, {3, 2}, {3, 1}, {2, 1}};
  CHECK(shape.contour == want);
  CHECK(shape.area == 4.0);
  CHECK(shape.centre == Point{2, 2});
  CHECK_FALSE(shape.fallback);
  CHECK(shape.components == 1);
  CHECK(shape.pixels == 9);
}

TEST_CASE("thin parts are visited on both ways and have no area") {
  const Drawing d({"####."});
  const cpu::ObjectShape shape = cpu::describe(d.view);
  const std::vector<Point> want = {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {2, 0}, {1, 0}};
  CHECK(shape.contour == want);
  CHECK(shape.area == 0.0);
  CHECK(shape.fallback);
  CHECK(shape.centre == Point{1, 0});  // mean 1.5, truncated
}

TEST_CASE("a single pixel is its own contour and centre") {
  const Drawing d({"....", "..#.", "...."});
  const cpu::ObjectShape shape = cpu::describe(d.view);
  CHECK(shape.contour == std::vector<Point>{{2, 1}});
  CHECK(shape.centre == Point{2, 1});
  CHECK(shape.fallback);
}

TEST_CASE("an empty mask has an empty contour") {
  const Drawing d({"...", "..."});
  const cpu::ObjectShape shape = cpu::describe(d.view);
  CHECK(shape.contour.empty());
  CHECK(shape.components == 0);
  CHECK(cpu::bounding_rect(d.view).width == 0);
}

TEST_CASE("the largest part is kept, of equal ones the later") {
  const Drawing larger({"###...", "###...", "###.##", ".....#", "....##"});
  const cpu::ObjectShape shape = cpu::describe(larger.view);
  CHECK(shape.contour.front() == Point{0, 0});
  CHECK(shape.components == 2);
  CHECK(shape.pixels == 14);
  CHECK(shape.kept_pixels == 9);

  const Drawing equal({"##..##", "##..##"});
  CHECK(cpu::describe(equal.view).contour.front() == Point{4, 0});
}

TEST_CASE("parts that touch at a corner are one, and a bowl's two arms too") {
  CHECK(cpu::describe(Drawing({"#..", ".#.", "..#"}).view).components == 1);
  CHECK(cpu::describe(Drawing({"#...#", "#...#", "#####"}).view).components == 1);
  CHECK(cpu::describe(Drawing({"..#..", ".#.#.", "#...#", ".#.#.", "..#.."}).view).components == 1);
  // The last row joins three parts found before it.
  CHECK(cpu::describe(Drawing({"#.#.#", "#.#.#", "#.#.#", ".#.#."}).view).components == 1);
}

TEST_CASE("holes do not change the outline or the centre") {
  const Drawing solid({"#####", "#####", "#####", "#####", "#####"});
  const Drawing ring({"#####", "#...#", "#.#.#", "#...#", "#####"});
  const cpu::ObjectShape a = cpu::describe(solid.view);
  const cpu::ObjectShape b = cpu::describe(ring.view);
  CHECK(a.contour == b.contour);
  CHECK(a.centre == b.centre);
  CHECK(b.components == 2);
}

TEST_CASE("only the given rectangle is looked at, and coordinates stay the mask's") {
  const Drawing d({"#######", "#######", "#######", "#######"});
  const cpu::ObjectShape shape = cpu::describe(d.view, {3, 1, 3, 3});
  CHECK(shape.contour.front() == Point{3, 1});
  CHECK(shape.pixels == 9);
  CHECK(shape.centre == Point{4, 2});
  CHECK_THROWS_WITH_AS(cpu::describe(d.view, {5, 1, 3, 3}), "contour: rectangle x 5 y 1 3x3 leaves the mask of 7x4",
                       Error);
  CHECK_THROWS_AS(cpu::describe(d.view, {-1, 0, 3, 3}), Error);
}

TEST_CASE("the bounding rectangle is tight for every position in a row of any length") {
  for (int width = 1; width <= 40; ++width) {
    for (int x = 0; x < width; ++x) {
      std::vector<uint8_t> pixels(static_cast<size_t>(width * 3));
      pixels[static_cast<size_t>(width + x)] = 1;
      const cpu::Rect r = cpu::bounding_rect({pixels.data(), 3, width, width});
      CHECK((r.x == x && r.y == 1 && r.width == 1 && r.height == 1));
      CHECK(cpu::describe({pixels.data(), 3, width, width}).contour == std::vector<Point>{{x, 1}});
    }
  }
}
