#include "cpu/mask_paste.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tensor/error.h"
#include "tensor/rng.h"

using namespace az;

namespace {

/// The value of one pixel from the definition.
double reference(const std::vector<float>& logits, int size, const cpu::MaskPlace& p, int width, int height, int x,
                 int y) {
  const auto stretch = [](int n) { return n > 1 ? static_cast<double>(n) / (n - 1) : 1.0; };
  const double k = size / p.side, u = k * (x * stretch(width) - p.x), v = k * (y * stretch(height) - p.y);
  const auto value = [&](int i, int j) {
    if (i < 0 || j < 0 || i >= size || j >= size) return -1.0;
    return 1 / (1 + std::exp(-static_cast<double>(logits[static_cast<size_t>(j * size + i)])));
  };
  if (!(u > -2 && v > -2 && u < size + 1 && v < size + 1)) return -1;
  const int i = static_cast<int>(std::floor(u)), j = static_cast<int>(std::floor(v));
  const double fu = u - i, fv = v - j;
  return (value(i, j) * (1 - fu) + value(i + 1, j) * fu) * (1 - fv) +
         (value(i, j + 1) * (1 - fu) + value(i + 1, j + 1) * fu) * fv;
}

}  // namespace

TEST_CASE("a pasted mask is the bilinear sample at every pixel, and -1 beyond the mask") {
  Rng rng(1, Purpose::test);
  cpu::MaskPaster paster;
  cpu::PastedMask pasted;
  for (int i = 0; i < 200; ++i) {
    const int size = static_cast<int>(rng.integer(1, 20)), width = static_cast<int>(rng.integer(1, 50)),
              height = static_cast<int>(rng.integer(1, 40));
    const cpu::MaskPlace place{rng.uniform(-40, 60), rng.uniform(-40, 50), rng.uniform(0.5, 90)};
    std::vector<float> logits(static_cast<size_t>(size * size));
    for (float& v : logits) v = static_cast<float>(rng.uniform(-6, 6));
    paster.paste(logits.data(), size, place, width, height, pasted);
    double worst = 0;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        worst = std::max(worst, std::abs(static_cast<double>(pasted.at(x, y)) -
                                         reference(logits, size, place, width, height, x, y)));
    CAPTURE(i);
    CHECK(worst < 1e-5);  // f32 weights at slopes of up to 2 a pixel of the mask, and a sigmoid in f32
    CHECK(pasted.window.x + pasted.window.width <= width);
    CHECK(pasted.window.y + pasted.window.height <= height);
  }
}

TEST_CASE("a mask that misses the picture leaves nothing") {
  cpu::PastedMask pasted;
  const std::vector<float> logits(9, 5);
  cpu::MaskPaster paster;
  paster.paste(logits.data(), 3, {100, 4, 6}, 20, 10, pasted);
  CHECK(pasted.window.width == 0);
  CHECK(pasted.values.empty());
  CHECK(pasted.at(3, 3) == -1.0F);
  std::vector<uint8_t> over = {1};
  cpu::threshold_mask(pasted, 0.3F, over);
  CHECK(over.empty());
}

TEST_CASE("a threshold keeps what is above it, and nothing that is not a number") {
  const cpu::PastedMask pasted{{0, 0, 4, 1}, {0.3F, 0.31F, std::nanf(""), -1.0F}};
  std::vector<uint8_t> over;
  cpu::threshold_mask(pasted, 0.3F, over);
  CHECK(over == std::vector<uint8_t>{0, 1, 0, 0});
}

TEST_CASE("a mask without a side or a place is refused") {
  cpu::PastedMask pasted;
  const float logit = 0;
  cpu::MaskPaster paster;
  CHECK_THROWS_WITH_AS(paster.paste(&logit, 1, {1, 2, 0}, 4, 4, pasted), "mask paste: a mask at (1, 2) with side 0",
                       Error);
  CHECK_THROWS_AS(paster.paste(&logit, 0, {1, 2, 3}, 4, 4, pasted), Error);
  CHECK_THROWS_AS(paster.paste(&logit, 1, {std::nan(""), 2, 3}, 4, 4, pasted), Error);
}
