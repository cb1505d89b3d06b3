// Masks as run lengths: small cases by hand, and made-up masks against plain pixel loops. The golden tests compare with
// pycocotools.
#include "cpu/rle.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/error.h"
#include "tensor/rng.h"

namespace az::cpu {
namespace {

Mask random_mask(int height, int width, double density, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  Mask mask{height, width, {}};
  for (int i = 0; i < height * width; ++i) mask.pixels.push_back(rng.chance(density) ? 1 : 0);
  return mask;
}

// Every second run in blocks, so that runs are longer than a pixel.
Mask random_blocks(int height, int width, uint64_t seed) {
  const Mask coarse = random_mask(height / 4 + 1, width / 4 + 1, 0.5, seed);
  Mask mask{height, width, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      mask.pixels.push_back(coarse.pixels[static_cast<size_t>(y / 4 * coarse.width + x / 4)]);
  return mask;
}

}  // namespace

TEST_CASE("rle: runs go down the columns and begin with background") {
  CHECK(rle_encode({2, 3, {0, 1, 0, 0, 1, 1}}).counts == std::vector<uint32_t>{2, 2, 1, 1});
  CHECK(rle_encode({2, 2, {0, 0, 0, 0}}).counts == std::vector<uint32_t>{4});
  CHECK(rle_encode({2, 2, {1, 1, 1, 1}}).counts == std::vector<uint32_t>{0, 4});
  CHECK(rle_encode({2, 2, {255, 7, 128, 1}}).counts == std::vector<uint32_t>{0, 4});
  CHECK_THROWS_WITH_AS(rle_encode({2, 2, {1}}), "rle_encode: 1 pixels for a mask of 2 x 2", Error);
}

TEST_CASE("rle: decoding undoes encoding, and strings undo themselves") {
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 31}, {33, 1}, {32, 31}, {65, 257}}) {
    for (const double density : {0.0, 0.02, 0.5, 1.0}) {
      const Mask mask = random_mask(height, width, density, static_cast<uint64_t>(height * width));
      const Rle rle = rle_encode(mask);
      CHECK(rle_decode(rle) == mask);
      CHECK(rle_from_string(rle_to_string(rle), rle.height, rle.width) == rle);
      CHECK(rle_problem(rle).empty());
    }
  }
  const Rle extreme{1, 1, {std::numeric_limits<uint32_t>::max(), 0, 0, std::numeric_limits<uint32_t>::max(), 5, 0}};
  CHECK(rle_from_string(rle_to_string(extreme), 1, 1) == extreme);
}

TEST_CASE("rle: broken strings and runs are errors") {
  CHECK_THROWS_WITH_AS(rle_from_string("P", 4, 4), "the compressed runs stop within a number", Error);
  CHECK_THROWS_WITH_AS(rle_from_string("1\x1f", 4, 4),
                       "the compressed runs have a character outside '0'..'o' at position 1", Error);
  CHECK_THROWS_AS(rle_from_string("oooooooooooo0", 4, 4), Error);
  CHECK_THROWS_WITH_AS(rle_from_string("O", 4, 4), "the compressed runs hold a run of -1 pixels", Error);
  CHECK(rle_problem({4, 5, {10, 11}}) == "the runs cover 21 pixels, the picture of 5 x 4 has 20");
  CHECK(rle_problem({4, 5, {10}}) == "the runs cover 10 pixels, the picture of 5 x 4 has 20");
  CHECK_THROWS_AS(rle_decode({4, 5, {10, 11}}), Error);
  CHECK_THROWS_AS(rle_decode({1U << 31, 1U << 31, {1}}), Error);
}

TEST_CASE("rle: union, intersection, area, box and IoU agree with the pixels") {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const int height = 5 + static_cast<int>(seed) * 3, width = 41;
    const Mask a = random_blocks(height, width, 2 * seed), b = random_blocks(height, width, 2 * seed + 1);
    Mask both = a, either = a;
    uint32_t shared = 0, all = 0, area = 0;
    int left = width, top = height, right = -1, bottom = -1;
    for (size_t i = 0; i < a.pixels.size(); ++i) {
      both.pixels[i] = a.pixels[i] & b.pixels[i];
      either.pixels[i] = a.pixels[i] | b.pixels[i];
      shared += both.pixels[i];
      all += either.pixels[i];
      area += a.pixels[i];
      if (!a.pixels[i]) continue;
      const int x = static_cast<int>(i) % width, y = static_cast<int>(i) / width;
      left = std::min(left, x), right = std::max(right, x), top = std::min(top, y), bottom = std::max(bottom, y);
    }
    const std::vector<Rle> masks = {rle_encode(a), rle_encode(b)};
    CHECK(rle_union(masks) == rle_encode(either));
    CHECK(rle_intersection(masks) == rle_encode(both));
    CHECK(rle_area(masks[0]) == area);
    CHECK(rle_box(masks[0]) == Box{double(left), double(top), double(right - left + 1), double(bottom - top + 1)});
    CHECK(rle_iou(masks[0], masks[1], false) == double(shared) / double(all));
    CHECK(rle_iou(masks[0], masks[1], true) == double(shared) / double(area));
  }
}

TEST_CASE("rle: odd lists of runs neither hang nor get lost") {
  const Rle zero_in_the_middle{3, 3, {2, 0, 7}}, same = zero_in_the_middle;
  CHECK(rle_area(rle_union(std::vector{zero_in_the_middle, same})) == 0);
  const Rle split{3, 3, {0, 0, 2, 3, 0, 4}};
  CHECK(rle_area(rle_union(std::vector{split, split})) == 7);
  const Rle shorter{3, 3, {2, 1}};
  CHECK(rle_area(rle_union(std::vector{shorter, split})) == 7);
  CHECK(rle_union(std::vector{Rle{3, 3, {9}}, Rle{3, 4, {12}}}) == Rle{});
  CHECK(rle_box({3, 3, {9, 0}}) == Box{0, 0, 0, 0});
  CHECK(rle_box({3, 3, {9, 0}}, true)[2] == 4294967294.0);
  CHECK(rle_iou({2, 2, {0, 4}}, {2, 3, {0, 6}}, false) == -1);
}

TEST_CASE("rle: polygons leave out the right and bottom boundary pixels") {
  const std::vector<double> square = {0, 0, 9, 0, 9, 9, 0, 9};
  const Rle filled = rle_from_polygon(square, 20, 20);
  CHECK(rle_area(filled) == 81);
  CHECK(rle_box(filled) == Box{0, 0, 9, 9});
  CHECK(rle_from_box({0, 0, 9, 9}, 20, 20) == filled);
  CHECK(rle_area(rle_from_polygon(std::vector<double>{1, 1, 8, 8}, 20, 20)) == 0);
  CHECK(rle_from_polygon({}, 4, 5) == Rle{4, 5, {20}});
  CHECK(rle_from_polygons(std::vector<std::vector<double>>{}, 4, 5) == Rle{4, 5, {20}});
}

TEST_CASE("rle: far and broken corners take no time and no memory") {
  const double far = 3.9e8;
  CHECK(rle_area(rle_from_polygon(std::vector<double>{-far, -far, far, -far, far, far, -far, far}, 40, 30)) == 1200);
  CHECK(rle_area(rle_from_polygon(std::vector<double>{-far, -5, far, -5, 15, far}, 40, 30)) > 0);
  CHECK_THROWS_AS(rle_from_polygon(std::vector<double>{0, 0, 1e300, 0, 5, 5}, 40, 30), Error);
  CHECK_THROWS_AS(rle_from_polygon(std::vector<double>{0, 0, std::nan(""), 0, 5, 5}, 40, 30), Error);
  CHECK_THROWS_AS(rle_from_polygon(std::vector<double>{0, 0, 5, 0, 5, 5}, 1U << 20, 1U << 20), Error);
}

TEST_CASE("box_iou: no plus one, and a crowd counts the detection only") {
  CHECK(box_iou({0, 0, 10, 10}, {5, 0, 10, 10}, false) == 50.0 / 150.0);
  CHECK(box_iou({0, 0, 10, 10}, {5, 0, 10, 10}, true) == 0.5);
  CHECK(box_iou({0, 0, 10, 10}, {10, 0, 10, 10}, false) == 0);
}

}  // namespace az::cpu
