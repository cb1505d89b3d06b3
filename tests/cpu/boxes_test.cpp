#include "cpu/boxes.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tensor/error.h"

using namespace az;
using math::Box;

TEST_CASE("overlap with and without the plus-one convention") {
  const Box a{0, 0, 9, 9}, b{5, 0, 14, 9};
  CHECK(math::box_iou(a, b, 1) == doctest::Approx(50.0 / 150));
  CHECK(math::box_iou(a, b, 0) == doctest::Approx(4.0 * 9 / (81 + 81 - 36)));
  CHECK(math::box_iou(a, a, 1) == 1.0f);
  CHECK(math::box_iou(a, {10, 0, 19, 9}, 1) == 0.0f);
  CHECK(math::box_iou(a, {9, 9, 19, 19}, 1) > 0.0f);  // one shared pixel
  CHECK(math::box_iou(a, {9, 9, 19, 19}, 0) == 0.0f);
  CHECK(math::box_iou({3, 3, 3, 3}, {3, 3, 3, 3}, 0) == 0.0f);  // no area: no overlap rather than 0 / 0
}

TEST_CASE("suppression is greedy by score and keeps what overlaps by exactly the threshold") {
  // 10 x 10 boxes; the second shares 2/3 with the first, the third half of its union with the first.
  const std::vector<Box> boxes = {{0, 0, 9, 9}, {2, 0, 11, 9}, {0, 5, 9, 9}, {40, 40, 49, 49}};
  CHECK(cpu::nms(boxes, std::vector<float>{0.9f, 0.8f, 0.7f, 0.95f}, {}) == std::vector<int32_t>{3, 0, 2});
  CHECK(cpu::nms(boxes, std::vector<float>{0.7f, 0.8f, 0.1f, 0.0f}, {}) == std::vector<int32_t>{1, 2, 3});
  CHECK(cpu::nms(boxes, std::vector<float>{0.9f, 0.8f, 0.7f, 0.6f}, {0.49f, true}) == std::vector<int32_t>{0, 3});
  CHECK(cpu::nms(boxes, std::vector<float>{0.9f, 0.8f, 0.7f, 0.6f}, {0.9f, true}).size() == 4);
}

TEST_CASE("a suppressed box suppresses nothing") {
  // Each overlaps its neighbour by 7/13 but the one after that by 4/16.
  const std::vector<Box> chain = {{0, 0, 9, 9}, {3, 0, 12, 9}, {6, 0, 15, 9}};
  CHECK(cpu::nms(chain, std::vector<float>{0.9f, 0.8f, 0.7f}, {}) == std::vector<int32_t>{0, 2});
}

TEST_CASE("equal scores keep their order, NaN is worst, none is fine") {
  const std::vector<Box> apart = {{0, 0, 1, 1}, {10, 0, 11, 1}, {20, 0, 21, 1}};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(cpu::nms(apart, std::vector<float>{0.5f, 0.5f, 0.5f}, {}) == std::vector<int32_t>{0, 1, 2});
  CHECK(cpu::nms(apart, std::vector<float>{nan, 0.1f, 0.5f}, {}) == std::vector<int32_t>{2, 1, 0});
  CHECK(cpu::nms({}, {}, {}).empty());
  CHECK_THROWS_WITH_AS(cpu::nms(apart, std::vector<float>{1.0f}, {}), "nms: 3 boxes but 1 scores", Error);
}

TEST_CASE("long lists equal the plain definition") {
  uint32_t state = 7;
  const auto random = [&] { return static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) / 16777216.0f; };
  for (const size_t n : {1u, 15u, 16u, 17u, 100u, 333u}) {
    std::vector<Box> boxes;
    std::vector<float> scores;
    for (size_t i = 0; i < n; ++i) {
      const float x = random() * 60, y = random() * 60;
      boxes.push_back({x, y, x + 5 + random() * 40, y + 5 + random() * 40});
      scores.push_back(random());
    }
    std::vector<bool> gone(n);
    std::vector<int32_t> want;
    for (;;) {
      size_t best = n;
      for (size_t i = 0; i < n; ++i) {
        if (!gone[i] && (best == n || scores[i] > scores[best])) best = i;
      }
      if (best == n) break;
      gone[best] = true;
      want.push_back(static_cast<int32_t>(best));
      for (size_t i = 0; i < n; ++i) {
        if (math::box_iou(boxes[best], boxes[i], 1) > 0.4f) gone[i] = true;
      }
    }
    CHECK(cpu::nms(boxes, scores, {0.4f, true}) == want);
  }
}
