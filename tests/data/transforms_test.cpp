#include "data/transforms.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tensor/error.h"

using namespace az;
using data::ImageSize;
using data::ObjectMask;
using data::Placement;

namespace {

/// A random mask inside a rectangle of the picture, with pixels on all four of the rectangle's sides.
cpu::Mask blob(int width, int height, const cpu::Rect& part, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  cpu::Mask mask{height, width, std::vector<uint8_t>(static_cast<size_t>(width * height))};
  for (int y = part.y; y < part.y + part.height; ++y) {
    for (int x = part.x; x < part.x + part.width; ++x) {
      const bool edge = x == part.x || y == part.y || x == part.x + part.width - 1 || y == part.y + part.height - 1;
      mask.pixels[static_cast<size_t>(y * width + x)] = edge || rng.chance(0.6) ? 1 : 0;
    }
  }
  return mask;
}

/// The placement pixel by pixel on the whole picture.
std::vector<uint8_t> placed_slowly(const cpu::Mask& mask, const Placement& p) {
  std::vector<uint8_t> out(static_cast<size_t>(p.window.width * p.window.height));
  for (int y = 0; y < p.window.height; ++y) {
    for (int x = 0; x < p.window.width; ++x) {
      const int rx = (p.flip ? p.window.width - 1 - x : x) + p.left;
      const int ry = y + p.top;
      if (rx < 0 || ry < 0 || rx >= p.resized.width || ry >= p.resized.height) continue;
      const int sx = std::min(rx * mask.width / p.resized.width, mask.width - 1);
      const int sy = std::min(ry * mask.height / p.resized.height, mask.height - 1);
      out[static_cast<size_t>(y * p.window.width + x)] = mask.pixels[static_cast<size_t>(sy * mask.width + sx)];
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a mask from runs keeps its pixels and its tight part") {
  for (const cpu::Rect& part : {cpu::Rect{3, 2, 7, 5}, {0, 0, 20, 16}, {19, 15, 1, 1}, {4, 0, 1, 16}, {0, 7, 20, 1}}) {
    const cpu::Mask whole = blob(20, 16, part, 4);
    const ObjectMask mask = data::mask_from_runs(cpu::rle_encode(whole));
    CHECK(mask.part.x == part.x);
    CHECK(mask.part.y == part.y);
    CHECK(mask.part.width == part.width);
    CHECK(mask.part.height == part.height);
    CHECK(data::mask_canvas(mask, 20, 16) == whole.pixels);
  }
  CHECK(data::mask_from_runs({16, 20, {320}}).pixels.empty());
  CHECK(data::mask_from_runs({0, 0, {}}).pixels.empty());
}

TEST_CASE("masks are placed as the whole picture would be") {
  const cpu::Mask whole = blob(40, 30, {9, 5, 22, 17}, 5);
  const ObjectMask mask = data::mask_from_runs(cpu::rle_encode(whole));
  // Integer scales or their inverses, where the test's own integer arithmetic is exact.
  for (const ImageSize& resized : {ImageSize{80, 90}, {40, 30}, {20, 15}}) {
    for (const bool flip : {false, true}) {
      for (const auto& [left, top] : {std::pair{0, 0}, {10, 7}, {-6, -3}, {-60, 0}}) {
        CAPTURE(resized.width);
        CAPTURE(flip);
        CAPTURE(left);
        Placement p = data::resize_placement({40, 30}, resized, false);
        p.flip = flip;
        p.left = left;
        p.top = top;
        if (left != 0) p.window = {33, 41};
        const data::PlacedMask placed = data::place_mask(mask, {40, 30}, p);
        CHECK(data::mask_canvas(placed.mask, p.window.width, p.window.height) == placed_slowly(whole, p));
        CHECK(placed.resized_pixels >= placed.mask.count());
      }
    }
  }
}

TEST_CASE("a mask may vanish in the resize") {
  const cpu::Mask dot = blob(100, 100, {51, 51, 1, 1}, 6);
  const auto placed = data::place_mask(data::mask_from_runs(cpu::rle_encode(dot)), {100, 100},
                                       data::resize_placement({100, 100}, {10, 10}, false));
  CHECK(placed.mask.count() == 0);
}

TEST_CASE("boxes are scaled, mirrored and clipped as the reference does") {
  Placement p = data::resize_placement({100, 50}, {200, 100}, false);
  CHECK(data::place_box({10, 5, 30, 20}, p) == data::BoxCorners{20, 10, 60, 40});
  p.flip = true;
  CHECK(data::place_box({10, 5, 30, 20}, p) == data::BoxCorners{139, 10, 179, 40});
  CHECK(data::place_box({-10, 5, 130, 70}, p) == data::BoxCorners{0, 10, 199, 99});
  p.flip = false;
  p.left = 30;
  p.top = -5;
  p.window = {50, 60};
  CHECK(data::place_box({10, 5, 30, 20}, p) == data::BoxCorners{0, 15, 30, 45});
}

TEST_CASE("a picture's window shows what the masks' window shows") {
  data::Image image(40, 30);
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 40; ++x) image.at(x, y)[0] = x >= 20 ? 200 : 0;
  }
  Placement p = data::resize_placement({40, 30}, {80, 60}, false);
  p.left = 35;
  p.top = -10;
  p.window = {20, 20};
  const data::Image window = data::place_image(image, p, {1, 2, 3});
  CHECK(window.at(4, 3)[1] == 2);  // above the picture
  CHECK(int{window.at(3, 12)[0]} == 0);
  CHECK(int{window.at(6, 12)[0]} == 200);
}

TEST_CASE("sizes: exact scale, kept ratio, padding") {
  CHECK(data::resize_placement({480, 640}, {1280, 768}, false).resized == ImageSize{1280, 768});
  CHECK(data::resize_placement({640, 480}, {1333, 800}, true).resized == ImageSize{1067, 800});
  CHECK(data::resize_placement({480, 640}, {1333, 800}, true).resized == ImageSize{800, 1067});
  CHECK(data::resize_placement({3000, 2}, {1333, 800}, true).resized == ImageSize{1333, 1});
  CHECK(data::padded_size(1333, 32) == 1344);
  CHECK(data::padded_size(1280, 128) == 1280);
  CHECK(data::padded_size(77, 0) == 77);
}

TEST_CASE("multi-scale: every size of the range, drawn by the generator alone") {
  const data::ScaleRule range{{{1333, 640}, {1333, 800}}, true, false};
  std::set<int> heights;
  for (uint64_t i = 0; i < 3000; ++i) {
    Rng rng(1, Purpose::scale, i);
    const ImageSize size = data::pick_scale(range, rng);
    CHECK(size.width == 1333);
    heights.insert(size.height);
  }
  CHECK(*heights.begin() == 640);
  CHECK(*heights.rbegin() == 800);
  CHECK(heights.size() > 150);
  Rng rng(1, Purpose::scale);
  CHECK(data::pick_scale({{{256, 320}}}, rng) == ImageSize{256, 320});
  CHECK_THROWS_AS(data::pick_scale({}, rng), Error);
  CHECK_THROWS_AS(data::pick_scale({{{1, 2}}, true}, rng), Error);
}

TEST_CASE("zoom stays within its rule and shows the picture or all of it") {
  double low = 10;
  double high = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    Rng rng(2, Purpose::augment, i);
    const Placement p = data::zoom_placement({480, 360}, {320, 256}, {}, rng);
    CHECK(p.window == ImageSize{320, 256});
    const double zoom = std::sqrt(p.resized.width / 320.0 * p.resized.height / 256.0);
    const double aspect = p.resized.width / 320.0 / (p.resized.height / 256.0);
    low = std::min(low, zoom);
    high = std::max(high, zoom);
    CHECK(aspect > 0.93);
    CHECK(aspect < 1.07);
    const int slack = p.resized.width - 320;
    CHECK(p.left >= std::min(slack, 0));
    CHECK(p.left <= std::max(slack, 0));
  }
  CHECK(low == doctest::Approx(0.9).epsilon(0.01));
  CHECK(high == doctest::Approx(1.15).epsilon(0.01));
}
