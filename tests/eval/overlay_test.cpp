// Overlay pictures: what is drawn where, and that nothing odd crashes them.
#include "eval/overlay.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "eval/font.h"
#include "eval/pen.h"
#include "tensor/error.h"

namespace {

using namespace az;
using az::data::Image;
using az::eval::OverlayItem;
using az::eval::OverlayOptions;

Image grey(int width, int height, uint8_t value) {
  Image image(width, height);
  std::fill(image.pixels.begin(), image.pixels.end(), value);
  return image;
}

bool same(const Image& a, const Image& b, int x, int y) { return std::equal(a.at(x, y), a.at(x, y) + 3, b.at(x, y)); }

OverlayItem square_item() {
  OverlayItem item;
  item.polygon = {{20, 20}, {60, 20}, {60, 60}, {20, 60}};
  return item;
}

}  // namespace

TEST_CASE("overlay: the inside is tinted, the contour has colour and a dark rim, the rest stays") {
  for (const int value : {0, 128, 255}) {
    const Image image = grey(100, 80, static_cast<uint8_t>(value));
    const Image out = eval::draw_overlay(image, std::vector{square_item()});
    CAPTURE(value);
    CHECK(same(out, image, 5, 5));
    CHECK(same(out, image, 80, 70));
    CHECK(!same(out, image, 40, 40));
    const auto colour = eval::overlay_colour(0);
    for (size_t c = 0; c < 3; ++c) CHECK(std::abs(out.at(40, 40)[c] - (value + 0.4 * (colour[c] - value))) <= 1);
    // The line lies between two rows of pixels and covers three quarters of each.
    const uint8_t* line = out.at(40, 20);
    for (size_t c = 0; c < 3; ++c) CHECK(std::abs(line[c] - colour[c]) <= 0.25 * 255 + 1);
  }
}

TEST_CASE("overlay: a mask takes the polygon's place in the filling and is outlined without one") {
  OverlayItem item;
  item.mask = cpu::Mask{30, 40, std::vector<uint8_t>(1200, 0)};
  for (int y = 10; y < 20; ++y)
    for (int x = 10; x < 30; ++x) item.mask->pixels[static_cast<size_t>(y * 40 + x)] = 1;
  const Image image = grey(40, 30, 90);
  const Image out = eval::draw_overlay(image, std::vector{item});
  CHECK(!same(out, image, 20, 15));
  CHECK(!same(out, image, 9, 15));  // the rim
  CHECK(same(out, image, 4, 4));
  item.mask->width = 30;
  item.mask->height = 40;
  CHECK_THROWS_WITH_AS(eval::draw_overlay(image, std::vector{item}),
                       doctest::Contains("the mask of item 0 is 30x40, the picture 40x30"), Error);
}

TEST_CASE("overlay: rays and centre show, and go with the option") {
  OverlayItem item = square_item();
  item.centre = {{40, 40}};
  const Image image = grey(100, 80, 60);
  OverlayOptions options;
  const Image with = eval::draw_overlay(image, std::vector{item}, options);
  options.rays = false;
  const Image without = eval::draw_overlay(image, std::vector{item}, options);
  CHECK(!same(with, without, 30, 30));  // on the diagonal
  CHECK(same(with, without, 40, 30));   // between two rays
  CHECK(without.at(40, 40)[0] != image.at(40, 40)[0]);
}

TEST_CASE("overlay: labels stay inside the picture and off each other") {
  const Image image = grey(200, 120, 100);
  std::vector<OverlayItem> items(6);
  for (OverlayItem& item : items) {
    item.name = "pizza";
    item.score = 0.5;
    item.box = {150, 2, 49, 20};  // all at the same place, at the upper right corner
  }
  OverlayOptions options;
  const Image out = eval::draw_overlay(image, items, options);
  // Each plate begins with a bar in its own colour, 1 px wide and as high as the plate: all six must be whole.
  for (int i = 0; i < 6; ++i) {
    const auto colour = eval::overlay_colour(i);
    int pixels = 0;
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < image.width; ++x) pixels += std::equal(colour.begin(), colour.end(), out.at(x, y));
    CAPTURE(i);
    CHECK(pixels == eval::text_height(1) + 2);
  }
  options.labels = false;
  CHECK(eval::draw_overlay(image, items, options).pixels == image.pixels);
  options.labels = true;
  options.least_score = 0.6;
  CHECK(eval::draw_overlay(image, items, options).pixels == image.pixels);
}

TEST_CASE("overlay: neighbouring colours differ") {
  for (int i = 0; i < 60; ++i)
    for (int k = i + 1; k < i + 4; ++k) {
      const auto a = eval::overlay_colour(i);
      const auto b = eval::overlay_colour(k);
      int apart = 0;
      for (size_t c = 0; c < 3; ++c) apart += std::abs(a[c] - b[c]);
      CAPTURE(i);
      CAPTURE(k);
      CHECK(apart > 60);
    }
}

TEST_CASE("overlay: odd items do no harm") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<OverlayItem> items(4);
  items[0].polygon = {{nan, 0}, {1e300, 5}, {3, 3}};
  items[0].name = "a very long name that no picture of this size has any room for";
  items[1].box = {-1e12, 1e12, 1e15, nan};
  items[1].name = "\xC3\xA9\n";
  items[2].centre = {{nan, 1e18}};
  items[2].name = "x";
  items[3].polygon = {{-500, -500}, {900, -400}, {300, 800}};
  items[3].centre = {{-100, 900}};
  items[3].score = nan;
  for (const auto& [w, h] : {std::pair{1, 1}, std::pair{7, 3}, std::pair{64, 48}}) {
    OverlayOptions options;
    options.boxes = true;
    const Image out = eval::draw_overlay(grey(w, h, 50), items, options);
    CHECK(out.width == w);
    CHECK(out.height == h);
  }
  Image one_channel(4, 4, 1);
  CHECK_THROWS_WITH_AS(eval::draw_overlay(one_channel, items), doctest::Contains("the picture has 1 channels, want 3"),
                       Error);
}

TEST_CASE("overlay: a comparison holds both pictures") {
  const Image image = grey(60, 40, 70);
  const Image out = eval::draw_comparison(image, std::vector<OverlayItem>{}, std::vector{square_item()});
  CHECK(out.width > 2 * image.width);
  CHECK(out.height > image.height);
  const int top = out.height - image.height;
  CHECK(out.at(0, top)[0] == 70);
  CHECK(out.at(out.width - 1, top)[0] == 70);
}

TEST_CASE("font: every printable character has a glyph of its own") {
  std::set<uint64_t> seen;
  for (char c = ' '; c <= '~'; ++c) {
    CAPTURE(c);
    CHECK((eval::glyph_of(c) != 0) == (c != ' '));
    CHECK(seen.insert(eval::glyph_of(c)).second);
  }
  CHECK(eval::glyph_of('\xC3') == eval::glyph_of('\n'));
}
