#include "data/siam_augment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

using namespace az;
using namespace az::data;

TEST_CASE("a crop's map puts the box's middle into the crop's middle at the exemplar's scale") {
  const CornerBox box{30, 20, 90, 60};
  const cpu::Affine m = crop511_map(box, BoxExtent::exclusive);
  CHECK(m[0] * 255 + m[2] == doctest::Approx(60));
  CHECK(m[4] * 255 + m[5] == doctest::Approx(40));
  // 511 / 127 fields of view of the exemplar, whose side is sqrt(110 * 90), in 510 steps.
  CHECK(m[0] * 510 == doctest::Approx(std::sqrt(110.0 * 90.0) * 511 / 127));
  CHECK(crop511_map(box, BoxExtent::inclusive)[0] > m[0]);
  CHECK_THROWS_AS(crop511_map({5, 5, 5, 5}, BoxExtent::exclusive), Error);
}

TEST_CASE("a mask's crop is thresholded") {
  cpu::Mask mask{80, 80, std::vector<uint8_t>(6400)};
  for (int y = 30; y < 50; ++y)
    for (int x = 20; x < 60; ++x) mask.pixels[static_cast<size_t>(y * 80 + x)] = 1;
  const CornerBox box{20, 30, 60, 50};
  const Image half = crop511_mask(mask, box, BoxExtent::exclusive, 0.5);
  const Image fifth = crop511_mask(mask, box, BoxExtent::exclusive, 0.2);
  const auto area = [](const Image& crop) { return std::ranges::count(crop.pixels, uint8_t{255}); };
  CHECK(area(half) + std::ranges::count(half.pixels, uint8_t{0}) == 511 * 511);
  CHECK(area(fifth) > area(half));
  const double step = crop511_map(box, BoxExtent::exclusive)[0];
  CHECK(static_cast<double>(area(half)) == doctest::Approx(800 / (step * step)).epsilon(0.02));
  CHECK(*half.at(255, 255) == 255);
}

TEST_CASE("grey pictures have OpenCV's grey") {
  Image picture(3, 1);
  picture.pixels = {255, 255, 255, 10, 200, 30, 1, 2, 3};
  // 0.299 R + 0.587 G + 0.114 B: 255, 123.81, 1.815
  CHECK(to_grey(picture).pixels == std::vector<uint8_t>{255, 124, 2});
}

TEST_CASE("pixels of a crop are B, G, R less the offset, black outside the picture, never clipped") {
  Image picture(511, 511);
  for (size_t i = 0; i < picture.pixels.size(); i += 3) {
    picture.pixels[i] = 10;
    picture.pixels[i + 1] = 20;
    picture.pixels[i + 2] = 250;
  }
  const SiamWindow inside = siam_window(511, 127, {}, {});
  const auto pixels = siam_pixels(picture, inside, 127, {-10, 25, 1});
  CHECK(pixels.size() == 127 * 127 * 3);
  CHECK(pixels[0] == 260);
  CHECK(pixels[1] == -5);
  CHECK(pixels[2] == 9);
  const SiamWindow beside{{-300, -300, -46, -46}, 1, 1};
  CHECK(siam_pixels(picture, beside, 255, {0, 0, 0})[0] == 0);
}

TEST_CASE("a window keeps within the picture and takes the box along") {
  const SiamAugment augment{.shift = 400, .scale = 0.5};
  const SiamWindow window = siam_window(511, 255, augment, {1, -1, 0, 0});
  CHECK(window.corners == CornerBox{256, 0, 510, 254});
  const CornerBox box = siam_box(window, {256, 0, 383, 127});
  CHECK(box == CornerBox{0, 0, 127, 127});
  CHECK_THROWS_AS(siam_window(511, 600, augment, {}), Error);
}

TEST_CASE("a square's box in the crop is the exemplar's half") {
  const CornerBox box = box_in_crop511(10, 10);  // s_z = 20
  CHECK(box.x1 == doctest::Approx(255 - 63.5 / 2));
  CHECK(box.y2 == doctest::Approx(255 + 63.5 / 2));
}

TEST_CASE("the blur is a cross whose weights add up to one, reflected at the border") {
  constexpr int kSide = 5;
  std::vector<float> picture(kSide * kSide * 3, 7.0F);
  apply_blur({9, 0.3}, kSide, picture);  // wider than the picture
  for (const float v : picture) CHECK(v == doctest::Approx(7).epsilon(1e-6));
  picture.assign(picture.size(), 0);
  picture[(2 * kSide + 2) * 3] = 1;
  apply_blur({3, 0.75}, kSide, picture);
  const auto at = [&](int x, int y) { return picture[static_cast<size_t>((y * kSide + x) * 3)]; };
  CHECK(at(2, 2) == doctest::Approx(1.0 / 3));  // in both bars
  CHECK(at(2, 1) == doctest::Approx(0.25));
  CHECK(at(1, 2) == doctest::Approx(0.25 / 3));
  CHECK(at(1, 1) == 0);
  picture.assign(picture.size(), 0);
  picture[1 * 3] = 1;  // (1, 0): its reflection lies at (-1, 0)
  apply_blur({3, 0}, kSide, picture);
  CHECK(at(0, 0) == doctest::Approx(2.0 / 3));
}

TEST_CASE("blur sizes follow the rounded normal, half of them dropped") {
  Rng rng(1, Purpose::test);
  int none = 0, one = 0, three = 0;
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) {
    const auto blur = draw_blur(1, rng);
    none += !blur;
    one += blur && blur->size == 1;
    three += blur && blur->size == 3;
    if (blur) CHECK((blur->size % 2 == 1 && blur->column >= 0 && blur->column < 1));
  }
  // P(|N| < 1/2) = 0.3829 and P(1/2 < N < 3/2) = 0.2417, each halved; three standard deviations are 0.0075.
  CHECK(one / double{kDraws} == doctest::Approx(0.19146).epsilon(0.04));
  CHECK(three / double{kDraws} == doctest::Approx(0.12086).epsilon(0.05));
  CHECK(none / double{kDraws} == doctest::Approx(1 - 0.5 * 0.69146).epsilon(0.02));
  CHECK(!draw_blur(0, rng));
}

TEST_CASE("colour offsets have the spread of the reference's matrix") {
  Rng rng(2, Purpose::test);
  std::array<double, 3> square{};
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) {
    const auto offset = draw_colour_offset(rng);
    for (size_t c = 0; c < 3; ++c) square[c] += static_cast<double>(offset[c]) * static_cast<double>(offset[c]);
  }
  // Row norms of M, last row first: blue moves by 8.24, red by 1.20.
  const double want[3] = {8.2377, 2.5199, 1.2041};
  for (size_t c = 0; c < 3; ++c) CHECK(std::sqrt(square[c] / kDraws) == doctest::Approx(want[c]).epsilon(0.02));
}

TEST_CASE("mirroring twice changes nothing") {
  std::vector<int8_t> mask{1, -1, -1, 1, 1, -1, -1, -1, 1};
  const auto before = mask;
  mirror(3, 1, mask);
  CHECK(mask == std::vector<int8_t>{-1, -1, 1, -1, 1, 1, 1, -1, -1});
  mirror(3, 1, mask);
  CHECK(mask == before);
  const CornerBox box{1, 2, 4, 5};
  CHECK(mirror(11, box) == CornerBox{6, 2, 9, 5});
  CHECK(mirror(11, mirror(11, box)) == box);
}
