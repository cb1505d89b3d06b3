#include "cpu/image.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;
using cpu::ImageView;

namespace {

std::vector<uint8_t> noise(int width, int height, int channels, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<uint8_t> pixels(static_cast<size_t>(width * height * channels));
  for (auto& p : pixels) p = static_cast<uint8_t>(rng.integer(0, 255));
  return pixels;
}

/// The bilinear rule in real numbers, without any rounding.
double bilinear(const ImageView& v, double x, double y, int c) {
  x = std::clamp(x, 0.0, v.width - 1.0);
  y = std::clamp(y, 0.0, v.height - 1.0);
  const int x0 = static_cast<int>(x);
  const int y0 = static_cast<int>(y);
  const int x1 = std::min(x0 + 1, v.width - 1);
  const int y1 = std::min(y0 + 1, v.height - 1);
  const auto at = [&](int px, int py) { return double{0} + v.pixels[(py * v.width + px) * v.channels + c]; };
  const double fx = x - x0;
  const double fy = y - y0;
  return (at(x0, y0) * (1 - fx) + at(x1, y0) * fx) * (1 - fy) + (at(x0, y1) * (1 - fx) + at(x1, y1) * fx) * fy;
}

}  // namespace

TEST_CASE("resize_bilinear is within one grey level of the exact sum") {
  const int sizes[][4] = {{1, 1, 5, 3}, {5, 3, 1, 1}, {31, 17, 64, 33}, {64, 33, 31, 17}, {7, 9, 7, 40}, {40, 7, 3, 7}};
  for (const auto& s : sizes) {
    for (int channels = 1; channels <= 4; ++channels) {
      CAPTURE(s[0]);
      CAPTURE(channels);
      const auto pixels = noise(s[0], s[1], channels, 5);
      const ImageView view{pixels.data(), s[0], s[1], channels};
      std::vector<uint8_t> out(static_cast<size_t>(s[2] * s[3] * channels) + 1, 77);
      cpu::resize_bilinear(view, s[2], s[3], out.data());
      CHECK(out.back() == 77);  // nothing behind the end
      double worst = 0;
      for (int y = 0; y < s[3]; ++y) {
        for (int x = 0; x < s[2]; ++x) {
          for (int c = 0; c < channels; ++c) {
            const double sx = (x + 0.5) * s[0] / s[2] - 0.5;
            const double sy = (y + 0.5) * s[1] / s[3] - 0.5;
            const double got = out[static_cast<size_t>((y * s[2] + x) * channels + c)];
            worst = std::max(worst, std::abs(got - bilinear(view, sx, sy, c)));
          }
        }
      }
      // Half a level of rounding, up to half from the bits the vertical pass drops, 255/2048 from the weights.
      CHECK(worst < 1.0);
    }
  }
}

TEST_CASE("resize_bilinear gives the same bits on three channels as on each alone") {
  const auto pixels = noise(45, 23, 3, 6);
  std::vector<uint8_t> all(61 * 52 * 3);
  cpu::resize_bilinear({pixels.data(), 45, 23, 3}, 61, 52, all.data());
  for (size_t c = 0; c < 3; ++c) {
    std::vector<uint8_t> plane(45 * 23);
    for (size_t i = 0; i < plane.size(); ++i) plane[i] = pixels[3 * i + c];
    std::vector<uint8_t> one(61 * 52);
    cpu::resize_bilinear({plane.data(), 45, 23, 1}, 61, 52, one.data());
    bool same = true;
    for (size_t i = 0; i < one.size(); ++i) same = same && one[i] == all[3 * i + c];
    CHECK(same);
  }
  CHECK_THROWS_WITH_AS(cpu::resize_bilinear({pixels.data(), 45, 0, 3}, 4, 4, all.data()),
                       "resize_bilinear: cannot make 4 x 4 of 45 x 0 pixels with 3 channels", Error);
}

TEST_CASE("resize_nearest inside a part equals the part of the whole") {
  auto whole = noise(40, 30, 1, 7);
  for (auto& p : whole) p = p > 128 ? 1 : 0;
  const cpu::Rect object{11, 4, 17, 13};
  std::vector<uint8_t> inside;
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 40; ++x) {
      uint8_t& p = whole[static_cast<size_t>(y * 40 + x)];
      const bool in = x >= object.x && x < object.x + object.width && y >= object.y && y < object.y + object.height;
      if (in) inside.push_back(p);
      if (!in) p = 0;
    }
  }
  for (const auto& [w, h] : {std::pair{64, 48}, {17, 9}, {128, 7}, {40, 30}, {1, 1}}) {
    CAPTURE(w);
    const cpu::NearestResize sizes{40, 30, w, h};
    std::vector<uint8_t> expected(static_cast<size_t>(w * h));
    cpu::resize_nearest(whole.data(), {0, 0, 40, 30}, sizes, {0, 0, w, h}, expected.data());
    for (int i = 0; i < w * h; ++i) {  // the rule itself
      const int x = std::min(static_cast<int>(std::floor(i % w / (w / 40.0))), 39);
      const int y = std::min(static_cast<int>(std::floor(i / w / (h / 30.0))), 29);
      REQUIRE(expected[static_cast<size_t>(i)] == whole[static_cast<size_t>(y * 40 + x)]);
    }
    const cpu::Rect reach = cpu::nearest_reach(object, sizes);
    std::vector<uint8_t> part(static_cast<size_t>(reach.width * reach.height));
    cpu::resize_nearest(inside.data(), object, sizes, reach, part.data());
    std::vector<uint8_t> got(expected.size());
    for (int y = 0; y < reach.height; ++y) {
      std::copy_n(part.begin() + y * reach.width, reach.width, got.begin() + (y + reach.y) * w + reach.x);
    }
    CHECK(got == expected);
  }
}

TEST_CASE("normalise orders channels, mirrors and pads with zeros") {
  const std::vector<uint8_t> rgb = {10, 20, 30, 40, 50, 60};  // two pixels
  std::vector<float> out(3 * 2 * 3, -1);
  cpu::Normalise how{{1, 2, 3}, {2, 4, 8}, true, true};
  cpu::normalise({rgb.data(), 2, 1, 3}, how, 3, 2, out.data());
  CHECK(out == std::vector<float>{59.0F / 2, 48.0F / 4, 37.0F / 8, 29.0F / 2, 18.0F / 4, 7.0F / 8, 0, 0, 0,  //
                                  0, 0, 0, 0, 0, 0, 0, 0, 0});
  how.flip = how.bgr = false;
  cpu::normalise({rgb.data(), 2, 1, 3}, how, 2, 1, out.data());
  CHECK(out[0] == 9.0F / 2);
  CHECK(out[5] == 57.0F / 8);
  CHECK_THROWS_WITH_AS(cpu::normalise({rgb.data(), 2, 1, 3}, how, 1, 1, out.data()),
                       "normalise: a picture of 2 x 1 pixels does not fit into 1 x 1", Error);
}

TEST_CASE("flip_horizontal is its own inverse and moves pixels whole") {
  const auto pixels = noise(5, 3, 3, 8);
  std::vector<uint8_t> once(pixels.size());
  std::vector<uint8_t> twice(pixels.size());
  cpu::flip_horizontal({pixels.data(), 5, 3, 3}, once.data());
  cpu::flip_horizontal({once.data(), 5, 3, 3}, twice.data());
  CHECK(twice == pixels);
  CHECK(once[1] == pixels[4 * 3 + 1]);
}

TEST_CASE("padded_crop fills what lies outside") {
  const std::vector<uint8_t> grey = {1, 2, 3, 4};  // 2 x 2
  const ImageView view{grey.data(), 2, 2, 1};
  std::vector<uint8_t> out(12);
  cpu::padded_crop(view, -1, -1, 4, 3, {9}, out.data());
  CHECK(out == std::vector<uint8_t>{9, 9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9});
  out.resize(2);
  cpu::padded_crop(view, 1, 1, 1, 2, {9}, out.data());
  CHECK(out == std::vector<uint8_t>{4, 9});
  cpu::padded_crop(view, 2147483647, -2147483647 - 1, 2, 1, {9}, out.data());
  CHECK(out == std::vector<uint8_t>{9, 9});
}

TEST_CASE("warp_affine moves, samples between pixels and fills") {
  const std::vector<uint8_t> grey = {0, 100, 200, 50};  // 2 x 2
  const ImageView view{grey.data(), 2, 2, 1};
  std::vector<uint8_t> out(4);
  cpu::warp_affine(view, {1, 0, 0, 0, 1, 0}, 2, 2, {7}, out.data());
  CHECK(out == grey);
  cpu::warp_affine(view, {0, 1, 0, 1, 0, 0}, 2, 2, {7}, out.data());  // transposed
  CHECK(out == std::vector<uint8_t>{0, 200, 100, 50});
  out.resize(1);
  cpu::warp_affine(view, {1, 0, 0.5, 0, 1, 0}, 1, 1, {7}, out.data());
  CHECK(out[0] == 50);
  cpu::warp_affine(view, {1, 0, -0.5, 0, 1, 0}, 1, 1, {100}, out.data());
  CHECK(out[0] == 50);  // half fill, half the first pixel
  cpu::warp_affine(view, {1, 0, 0, 0, 1, 1000}, 1, 1, {7}, out.data());
  CHECK(out[0] == 7);
  CHECK_THROWS_WITH_AS(cpu::warp_affine(view, {std::nan(""), 0, 0, 0, 1, 0}, 1, 1, {7}, out.data()),
                       "warp_affine: matrix entry nan is not within 2^20", Error);
}
