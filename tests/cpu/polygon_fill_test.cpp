#include "cpu/polygon_fill.h"

#include <doctest/doctest.h>

#include <string>

#include "tensor/error.h"

using namespace az;
using cpu::Point;
using cpu::PolygonFill;

namespace {

std::vector<std::string> draw(const std::vector<Point>& vertices, int height, int width) {
  const cpu::Mask mask = PolygonFill(vertices, height, width).to_mask();
  std::vector<std::string> rows;
  for (int y = 0; y < height; ++y) {
    std::string row;
    for (int x = 0; x < width; ++x) row += mask.pixels[static_cast<size_t>(y * width + x)] != 0 ? '#' : '.';
    rows.push_back(row);
  }
  return rows;
}

/// Runs counted pixel by pixel.
cpu::Rle runs_of(const cpu::Mask& mask) {
  cpu::Rle rle{static_cast<uint32_t>(mask.height), static_cast<uint32_t>(mask.width), {0}};
  uint8_t colour = 0;
  for (int x = 0; x < mask.width; ++x) {
    for (int y = 0; y < mask.height; ++y) {
      const uint8_t pixel = mask.pixels[static_cast<size_t>(y * mask.width + x)];
      if (pixel != colour) {
        rle.counts.push_back(0);
        colour = pixel;
      }
      ++rle.counts.back();
    }
  }
  return rle;
}

}  // namespace

TEST_CASE("a rectangle includes its edge pixels") {
  CHECK(draw({{1, 1}, {3, 1}, {3, 2}, {1, 2}}, 4, 5) == std::vector<std::string>{".....", ".###.", ".###.", "....."});
}

TEST_CASE("points, lines and slanted sides") {
  CHECK(draw({{2, 1}}, 3, 4) == std::vector<std::string>{"....", "..#.", "...."});
  CHECK(draw({{0, 0}, {3, 2}}, 3, 4) == std::vector<std::string>{"#...", ".##.", "...#"});
  CHECK(draw({{3, 0}, {0, 2}}, 3, 4) == std::vector<std::string>{"...#", ".##.", "#..."});
  CHECK(draw({{2, 0}, {4, 2}, {2, 4}, {0, 2}}, 5, 5) ==
        std::vector<std::string>{"..#..", ".###.", "#####", ".###.", "..#.."});
}

TEST_CASE("where a polygon covers itself twice it is empty inside") {
  // Two turns: a square, and a smaller one within it.
  const std::vector<Point> twice = {{0, 0}, {8, 0}, {8, 8}, {0, 8}, {0, 0}, {2, 2}, {6, 2}, {6, 6}, {2, 6}, {2, 2}};
  const PolygonFill fill(twice, 9, 9);
  CHECK_FALSE(fill.at(4, 4));
  CHECK(fill.at(2, 4));
  CHECK(fill.at(1, 7));
  CHECK(fill.pixel_count() == 81 - 9);
}

TEST_CASE("what lies outside the canvas is cut off, however far") {
  CHECK(draw({{-5, -5}, {2, -5}, {2, 1}, {-5, 1}}, 3, 4) == std::vector<std::string>{"###.", "###.", "...."});
  CHECK(
      draw({{-1000000000, -1000000000}, {2000000000, -1000000000}, {2000000000, 2000000000}, {-1000000000, 2000000000}},
           2, 3) == std::vector<std::string>{"###", "###"});
  CHECK(PolygonFill(std::vector<Point>{{10, 10}, {12, 10}, {11, 15}}, 5, 5).pixel_count() == 0);
  CHECK(PolygonFill(std::vector<Point>{{-10, 1}, {-2, 1}, {-4, 3}}, 5, 5).to_rle().counts == std::vector<uint32_t>{25});
  CHECK(PolygonFill({}, 5, 5).to_rle().counts == std::vector<uint32_t>{25});
  CHECK(PolygonFill(std::vector<Point>{{0, 0}}, 0, 5).to_mask().pixels.empty());
  CHECK(PolygonFill(std::vector<Point>{{0, 0}}, 5, 0).to_mask().pixels.empty());
  CHECK_THROWS_AS(PolygonFill({}, -1, 5), Error);
  CHECK_THROWS_AS(PolygonFill({}, 1 << 20, 1 << 20), Error);
}

TEST_CASE("runs straight from the polygon equal the mask's, columns that touch the borders included") {
  uint32_t state = 3;
  const auto random = [&](int low, int high) {
    state = state * 1664525u + 1013904223u;
    return low + static_cast<int>((state >> 8) % static_cast<uint32_t>(high - low + 1));
  };
  for (int round = 0; round < 300; ++round) {
    const int height = random(1, 90), width = random(1, 150);
    std::vector<Point> vertices;
    for (int k = random(1, 40); k > 0; --k) vertices.push_back({random(-10, width + 10), random(-10, height + 10)});
    const PolygonFill fill(vertices, height, width);
    const cpu::Mask mask = fill.to_mask();
    const cpu::Rle rle = fill.to_rle();
    REQUIRE(rle == runs_of(mask));
    int64_t set = 0;
    for (const uint8_t pixel : mask.pixels) set += pixel;
    REQUIRE(fill.pixel_count() == set);
  }
}
