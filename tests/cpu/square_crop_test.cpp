#include "cpu/square_crop.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;
using cpu::CropRounding;
using cpu::SquareCrop;

namespace {

struct Picture {
  std::vector<uint8_t> pixels;
  cpu::ImageView view;

  Picture(int width, int height, uint64_t seed) : pixels(static_cast<size_t>(width) * static_cast<size_t>(height) * 3) {
    Rng rng(seed, Purpose::test);
    for (uint8_t& p : pixels) p = static_cast<uint8_t>(rng.integer(0, 256));
    view = {pixels.data(), width, height, 3};
  }
  double at(int x, int y, int c, const std::array<uint8_t, 3>& fill) const {
    if (x < 0 || y < 0 || x >= view.width || y >= view.height) return fill[static_cast<size_t>(c)];
    return pixels[static_cast<size_t>((y * view.width + x) * 3 + c)];
  }
};

/// The crop from its definition: a padded square, then bilinear with half-pixel centres, channels turned round.
std::vector<double> reference(const Picture& picture, const SquareCrop& p) {
  const auto corner = [&](double v) {
    const double first = v - (p.side + 1) / 2.0;
    if (p.rounding == CropRounding::half_up) return static_cast<int>(std::floor(first + 0.5));
    const double down = std::floor(first);
    if (first - down != 0.5) return static_cast<int>(std::lround(first));
    return static_cast<int>(std::fmod(down, 2) == 0 ? down : down + 1);
  };
  const int left = corner(p.x), top = corner(p.y), last = p.side - 1;
  std::vector<double> out;
  for (int y = 0; y < p.size; ++y)
    for (int x = 0; x < p.size; ++x)
      for (int c = 2; c >= 0; --c) {
        const double u = (x + 0.5) * p.side / p.size - 0.5, v = (y + 0.5) * p.side / p.size - 0.5;
        const auto clamped = [&](double w) { return std::clamp(static_cast<int>(w), 0, last); };
        const int x0 = clamped(std::floor(u)), x1 = clamped(std::floor(u) + 1);
        const int y0 = clamped(std::floor(v)), y1 = clamped(std::floor(v) + 1);
        const double fx = u - std::floor(u), fy = v - std::floor(v);
        const auto value = [&](int i, int j) { return picture.at(left + i, top + j, c, p.fill); };
        out.push_back((value(x0, y0) * (1 - fx) + value(x1, y0) * fx) * (1 - fy) +
                      (value(x0, y1) * (1 - fx) + value(x1, y1) * fx) * fy);
      }
  return out;
}

}  // namespace

TEST_CASE("a square crop is the padded square, resized, within one grey level") {
  const Picture picture(37, 23, 1);
  cpu::SquareCropper cropper;  // one for all: what it keeps from a crop must not show in the next
  Rng rng(2, Purpose::test);
  for (int i = 0; i < 300; ++i) {
    SquareCrop p{rng.uniform(-60, 100),
                 rng.uniform(-60, 80),
                 static_cast<int>(rng.integer(1, 120)),
                 static_cast<int>(rng.integer(1, 70)),
                 {7, 150, 250}};
    if (i % 2 == 1) p.rounding = CropRounding::half_up;
    if (i % 5 == 0) p.x = std::floor(p.x) + 0.5 * (i % 2), p.y = std::floor(p.y);
    if (i % 7 == 0) p.size = p.side;
    CAPTURE(i);
    std::vector<float> out(static_cast<size_t>(p.size) * static_cast<size_t>(p.size) * 3, -1);
    cropper.crop(picture.view, p, out.data());
    const std::vector<double> want = reference(picture, p);
    double worst = 0;
    for (size_t k = 0; k < out.size(); ++k) worst = std::max(worst, std::abs(static_cast<double>(out[k]) - want[k]));
    // 8 bits: half a level of rounding, and what the fixed-point weights of 11 bits add.
    CHECK(worst <= (p.size == p.side ? 0.0 : 1.0));
  }
}

TEST_CASE("the corner of a crop is rounded to even, or up as pysot") {
  Picture picture(9, 1, 3);
  for (int x = 0; x < 9; ++x)
    for (int c = 0; c < 3; ++c) picture.pixels[static_cast<size_t>(x * 3 + c)] = static_cast<uint8_t>(10 * x);
  const auto first = [&](double x, CropRounding rounding) {
    std::vector<float> out(3);
    cpu::SquareCropper().crop(picture.view, {x, 1, 1, 1, {}, rounding}, out.data());
    return out[0];
  };
  CHECK(first(3.5, CropRounding::half_even) == 20.0F);  // 2.5
  CHECK(first(3.5, CropRounding::half_up) == 30.0F);
  CHECK(first(4.5, CropRounding::half_even) == 40.0F);  // 3.5
  CHECK(first(4.5, CropRounding::half_up) == 40.0F);
}

TEST_CASE("the mean colour is the mean of all pixels") {
  const Picture picture(31, 17, 4);
  std::array<double, 3> want{};
  for (size_t i = 0; i < picture.pixels.size(); ++i) want[i % 3] += picture.pixels[i];
  const auto own = cpu::mean_colour(picture.view);
  for (size_t c = 0; c < 3; ++c) CHECK(own[c] == doctest::Approx(want[c] / (31 * 17)).epsilon(1e-14));
}

TEST_CASE("a square crop refuses what is none") {
  const Picture picture(4, 4, 5);
  std::vector<float> out(12);
  cpu::SquareCropper cropper;
  const double nan = std::nan("");
  CHECK_THROWS_WITH_AS(cropper.crop(picture.view, {1, 1, 0, 2, {}, {}}, out.data()),
                       "square crop: 0 x 0 pixels to 2 x 2; want sides of 1 to 2^20", Error);
  CHECK_THROWS_WITH_AS(cropper.crop(picture.view, {nan, 1, 2, 2, {}, {}}, out.data()), "square crop: around (nan, 1)",
                       Error);
  CHECK_THROWS_AS(cropper.crop({picture.pixels.data(), 4, 4, 1}, {1, 1, 2, 2, {}, {}}, out.data()), Error);
  CHECK_THROWS_AS(cpu::mean_colour({nullptr, 0, 0, 3}), Error);
}
