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

TEST_CASE("rle: a text's totals and edges are those of its runs") {
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 31}, {33, 1}, {32, 31}, {65, 257}, {480, 64}}) {
    for (const double density : {0.0, 0.02, 0.5, 1.0}) {
      const auto seed = static_cast<uint64_t>(height + width);
      for (const Mask& mask : {random_mask(height, width, density, seed), random_blocks(height, width, seed)}) {
        const Rle rle = rle_encode(mask);
        const std::string text = rle_to_string(rle);
        const RunTotals totals = run_totals(text, rle.height);
        CHECK(totals.covered == uint64_t{rle.height} * rle.width);
        CHECK(totals.area == rle_area(rle));
        const Box box = rle_box(rle);
        for (size_t i = 0; i < box.size(); ++i) CHECK(static_cast<double>(totals.box[i]) == box[i]);
        std::vector<uint32_t> edges = {77};
        append_edges(text, edges);
        REQUIRE(edges.front() == 77);
        CHECK(std::vector<uint32_t>(edges.begin() + 1, edges.end()) == run_mask(rle).edges);
      }
    }
  }
  const Rle holes{10, 10, {3, 0, 0, 4, 0, 6, 0, 0, 87}};  // runs of no pixel on both sides
  std::vector<uint32_t> edges;
  append_edges(rle_to_string(holes), edges);
  CHECK(edges == run_mask(holes).edges);
  CHECK(run_totals(rle_to_string(holes), 10).area == rle_area(holes));
  CHECK(run_totals("", 10).covered == 0);
  CHECK_THROWS_WITH_AS(run_totals("P", 4), "the compressed runs stop within a number", Error);
}

TEST_CASE("rle: numbers of every length stand across every boundary of the reader") {
  Rng rng(11, Purpose::test);
  constexpr uint32_t kSide = 1 << 16;  // a column for every 2^16 pixels: boxes go through the columns
  for (int i = 0; i < 300; ++i) {
    Rle rle{kSide, kSide, {}};
    const int64_t longest = i % 2 == 0 ? 32 : 25;  // few add up to 2^32, or more do
    for (int64_t n = rng.integer(0, 90); n > 0; --n)
      rle.counts.push_back(static_cast<uint32_t>(rng.integer(0, (int64_t{1} << rng.integer(0, longest)) - 1)));
    const std::string text = rle_to_string(rle);
    REQUIRE(rle_from_string(text, kSide, kSide) == rle);
    const RunMask runs = run_mask(rle);
    const RunTotals totals = run_totals(text, 1000);
    uint64_t covered = 0;
    for (const uint32_t run : rle.counts) covered += run;
    REQUIRE(totals.covered == covered);
    REQUIRE(totals.area == runs.area);
    if (covered < uint64_t{1} << 32) {
      std::vector<uint32_t> edges = {77};
      append_edges(text, edges);
      REQUIRE(std::vector<uint32_t>(edges.begin() + 1, edges.end()) == runs.edges);
    }
    for (size_t cut = 1; cut < text.size(); ++cut) {  // a part of the text: its own runs, or an error
      const std::string part = text.substr(0, cut);
      try {
        const Rle some = rle_from_string(part, kSide, kSide);
        REQUIRE(std::equal(some.counts.begin(), some.counts.end(), rle.counts.begin()));
      } catch (const Error&) {
        REQUIRE(((part.back() - 48) & 32) != 0);
      }
    }
    if (text.empty()) continue;
    std::string damaged = text;
    damaged[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(text.size()) - 1))] = '\x7f';
    REQUIRE_THROWS_AS(rle_from_string(damaged, kSide, kSide), Error);
  }
}

TEST_CASE("rle: no mask's overlap exceeds the bound from areas and boxes") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const RunMask a = run_mask(rle_encode(random_blocks(30, 40, seed)));
    Mask part = random_mask(30, 40, 0.7, seed + 100);
    for (int y = 0; y < 30; ++y)
      for (int x = 0; x < 40; ++x)
        if (x < static_cast<int>(seed % 30) || y > 35 - static_cast<int>(seed % 20))
          part.pixels[static_cast<size_t>(y * 40 + x)] = 0;
    const RunMask b = run_mask(rle_encode(part));
    for (const bool crowd : {false, true}) {
      const RunView va{a.edges, a.area, a.box}, vb{b.edges, b.area, b.box};
      CHECK(mask_iou(va, vb, crowd) == mask_iou(a, b, crowd));
      CHECK(mask_iou_bound(va, vb, crowd) >= mask_iou(a, b, crowd));
      CHECK(mask_iou_bound(va, va, crowd) == 1);
    }
  }
  const RunView far{{}, 10, {0, 0, 5, 2}}, away{{}, 10, {6, 0, 5, 2}};
  CHECK(mask_iou_bound(far, away, false) == 0);
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
