#include "cpu/warp.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;

namespace {

/// A value of the picture, or the fill outside.
template <class View, class Fill>
double pixel(const View& v, int x, int y, int c, const Fill& fill) {
  const bool inside = x >= 0 && y >= 0 && x < v.width && y < v.height;
  return static_cast<double>(inside ? v.pixels[(y * v.width + x) * v.channels + c] : fill[static_cast<size_t>(c)]);
}

/// The formula in double precision: weights (1 - a)(1 - b), a(1 - b), (1 - a)b, ab.
template <class View, class Fill>
double bilinear(const View& v, double x, double y, int c, const Fill& fill) {
  if (x < -1 || y < -1 || x > v.width || y > v.height) return static_cast<double>(fill[static_cast<size_t>(c)]);
  const int left = static_cast<int>(std::floor(x)), top = static_cast<int>(std::floor(y));
  const double a = x - left, b = y - top;
  return (1 - a) * (1 - b) * pixel(v, left, top, c, fill) + a * (1 - b) * pixel(v, left + 1, top, c, fill) +
         (1 - a) * b * pixel(v, left, top + 1, c, fill) + a * b * pixel(v, left + 1, top + 1, c, fill);
}

}  // namespace

TEST_CASE("an exact warp follows the bilinear formula for both kinds of picture") {
  Rng rng(5, Purpose::test);
  for (const int channels : {1, 3, 4})
    for (const int side : {1, 2, 7, 16, 33}) {
      CAPTURE(channels);
      CAPTURE(side);
      const int height = side + 2;
      std::vector<uint8_t> bytes(static_cast<size_t>(side * height * channels));
      for (uint8_t& b : bytes) b = static_cast<uint8_t>(rng.integer(0, 255));
      const std::vector<float> floats(bytes.begin(), bytes.end());
      const cpu::ImageView view{bytes.data(), side, height, channels};
      const cpu::FloatView float_view{floats.data(), side, height, channels};
      const std::array<uint8_t, 4> fill{9, 200, 31, 77};
      const std::array<float, 4> float_fill{9, 200, 31, 77};
      // Every second size without a turn, which takes another way.
      const cpu::Affine m =
          side % 2 == 0 ? cpu::Affine{0.7, 0.31, -2.3, -0.4, 0.9, 1.7} : cpu::Affine{1.37, 0, -2.3, 0, 0.83, -1.7};
      constexpr int kWidth = 31, kHeight = 17;
      std::vector<uint8_t> grey(static_cast<size_t>(kWidth * kHeight * channels));
      std::vector<float> exact(grey.size()), from_floats(grey.size());
      cpu::warp_exact(view, m, kWidth, kHeight, fill, grey.data());
      cpu::warp_exact(view, m, kWidth, kHeight, fill, exact.data());
      cpu::warp_exact(float_view, m, kWidth, kHeight, float_fill, from_floats.data());
      CHECK(exact == from_floats);
      double worst = 0;
      for (size_t i = 0; i < grey.size(); ++i) {
        const int c = static_cast<int>(i) % channels, x = static_cast<int>(i) / channels % kWidth;
        const int y = static_cast<int>(i) / channels / kWidth;
        const double want = bilinear(view, m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5], c, fill);
        worst = std::max(worst, std::abs(want - static_cast<double>(exact[i])));
        CHECK(static_cast<float>(grey[i]) == std::rint(exact[i]));
      }
      CHECK(worst < 1e-4);  // weights and three sums in f32 on values up to 255
    }
}

TEST_CASE("a warp by whole pixels copies, and far away there is only the fill") {
  const std::vector<uint8_t> bytes{1, 2, 3, 4, 5, 6};
  const cpu::ImageView view{bytes.data(), 3, 2, 1};
  std::vector<uint8_t> out(6);
  cpu::warp_exact(view, {1, 0, 1, 0, 1, 0}, 3, 2, {99}, out.data());
  CHECK(out == std::vector<uint8_t>{2, 3, 99, 5, 6, 99});
  cpu::warp_exact(view, {1, 0, 1e300, 0, 1, -1e300}, 3, 2, {99}, out.data());
  CHECK(out == std::vector<uint8_t>(6, 99));
}

TEST_CASE("an exact warp says what is wrong with its arguments") {
  const std::vector<uint8_t> bytes(10);
  std::vector<uint8_t> out(1);
  CHECK_THROWS_WITH_AS(cpu::warp_exact(cpu::ImageView{bytes.data(), 1, 1, 5}, {1, 0, 0, 0, 1, 0}, 1, 1, {}, out.data()),
                       "warp_exact: the picture has 5 channels, want 1 to 4", Error);
  CHECK_THROWS_WITH_AS(
      cpu::warp_exact(cpu::ImageView{bytes.data(), 1, 1, 1}, {1, 0, NAN, 0, 1, 0}, 1, 1, {}, out.data()),
      "warp_exact: matrix entry nan", Error);
}
