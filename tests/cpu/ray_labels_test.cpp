#include "cpu/ray_labels.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "math/polar_loss.h"
#include "tensor/error.h"

using namespace az;

namespace {

constexpr int kHeight = 256, kWidth = 384;

/// A filled rectangle x1..x2, y1..y2 on the padded image.
cpu::LabelObject rectangle(int x1, int y1, int x2, int y2, int32_t label) {
  std::vector<uint8_t> pixels(static_cast<size_t>(kHeight * kWidth));
  for (int y = y1; y <= y2; ++y) std::fill_n(&pixels[static_cast<size_t>(y * kWidth + x1)], x2 - x1 + 1, uint8_t{1});
  return {cpu::describe({pixels.data(), kHeight, kWidth, kWidth}),
          {static_cast<float>(x1), static_cast<float>(y1), static_cast<float>(x2), static_cast<float>(y2)},
          label};
}

/// The rule of specification 6.4 over all locations and all objects, as it stands there.
std::vector<int32_t> winners_by_the_book(std::span<const cpu::LabelObject> objects, const cpu::LabelOptions& options) {
  std::vector<int32_t> winners;
  const auto grids = cpu::level_grids(kHeight, kWidth, options.strides);
  for (size_t level = 0; level < grids.size(); ++level) {
    const int s = grids[level].stride;
    for (int i = 0; i < grids[level].height * grids[level].width; ++i) {
      const float x = static_cast<float>(i % grids[level].width * s + s / 2);
      const float y = static_cast<float>(i / grids[level].width * s + s / 2);
      int32_t winner = -1;
      float smallest = 1e8f;
      for (size_t o = 0; o < objects.size(); ++o) {
        const auto& b = objects[o].box;
        const float r = options.center_radius * static_cast<float>(s);
        const float cx = static_cast<float>(objects[o].shape.centre.x),
                    cy = static_cast<float>(objects[o].shape.centre.y);
        const bool in = x > std::max(cx - r, b[0]) && x < std::min(cx + r, b[2]) && y > std::max(cy - r, b[1]) &&
                        y < std::min(cy + r, b[3]);
        const float m = std::max({x - b[0], y - b[1], b[2] - x, b[3] - y});
        const float area = (b[2] - b[0] + 1) * (b[3] - b[1] + 1);
        if (!in || m < options.ranges[level].first || m > options.ranges[level].second || area >= smallest) continue;
        smallest = area;
        winner = static_cast<int32_t>(o);
      }
      winners.push_back(winner);
    }
  }
  return winners;
}

}  // namespace

TEST_CASE("level grids follow the network's sizes") {
  const auto grids = cpu::level_grids(800, 1333, std::vector<int>{8, 16, 32, 64, 128});
  CHECK(grids[0].height == 100);
  CHECK(grids[0].width == 167);
  CHECK(grids[4].height == 7);
  CHECK(grids[4].width == 11);
  CHECK(grids[1].first == 16700);
  CHECK(cpu::location_count(grids) == 16700 + 50 * 84 + 25 * 42 + 13 * 21 + 7 * 11);
  CHECK(cpu::location_count({}) == 0);
}

TEST_CASE("winners equal the rule applied to every location and object") {
  uint32_t state = 1;
  const auto random = [&](int low, int high) {
    state = state * 1664525u + 1013904223u;
    return low + static_cast<int>((state >> 8) % static_cast<uint32_t>(high - low + 1));
  };
  int positives = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<cpu::LabelObject> objects;
    for (int o = 0; o < 9; ++o) {
      const int w = random(3, 200), h = random(3, 150), x = random(0, kWidth - w - 1), y = random(0, kHeight - h - 1);
      objects.push_back(rectangle(x, y, x + w, y + h, o + 1));
    }
    objects.push_back(objects.front());  // equal area: the first wins
    objects.back().label = 77;
    cpu::LabelOptions options;
    options.center_radius = round % 2 == 0 ? 1.5f : 2.25f;
    const cpu::ImageTargets targets = cpu::image_targets(objects, kHeight, kWidth, options);
    std::vector<int32_t> label(static_cast<size_t>(targets.locations)), object(label.size());
    std::vector<float> box(label.size() * 4, 9), rays(label.size() * 36, 9), centerness(label.size(), 9);
    cpu::write_targets(targets, {label, object, box, rays, centerness});
    const std::vector<int32_t> winners = winners_by_the_book(objects, options);
    CHECK(object == winners);
    for (size_t i = 0; i < winners.size(); ++i) {
      if (winners[i] < 0) {
        REQUIRE((label[i] == 0 && box[i * 4] == 0 && rays[i * 36 + 35] == 0 && centerness[i] == 0));
      } else {
        REQUIRE(label[i] == objects[static_cast<size_t>(winners[i])].label);
        REQUIRE(centerness[i] == math::polar_centerness(&rays[i * 36], 36));
        ++positives;
      }
    }
  }
  CHECK(positives > 500);
}

TEST_CASE("an object whose mask vanished is left out, and the others keep their index") {
  std::vector<cpu::LabelObject> objects = {{{}, {10, 10, 60, 60}, 3}, rectangle(10, 10, 60, 60, 4)};
  const cpu::ImageTargets targets = cpu::image_targets(objects, kHeight, kWidth, {});
  REQUIRE_FALSE(targets.positives.empty());
  for (const auto& p : targets.positives) CHECK(p.object == 1);
}

TEST_CASE("the reference's wipe at centre x = 0 is a choice") {
  const std::vector<cpu::LabelObject> objects = {rectangle(0, 0, 1, 60, 1), rectangle(100, 50, 160, 110, 2)};
  REQUIRE(objects[0].shape.centre.x == 0);
  cpu::LabelOptions options;
  CHECK_FALSE(cpu::image_targets(objects, kHeight, kWidth, options).positives.empty());
  options.compat_wipe_when_center_x_zero = true;
  CHECK(cpu::image_targets(objects, kHeight, kWidth, options).positives.empty());
}

TEST_CASE("any ray count and any levels") {
  const std::vector<cpu::LabelObject> objects = {rectangle(100, 50, 160, 110, 2)};
  cpu::LabelOptions options;
  options.rays = 24;
  options.strides = {8, 16, 32};
  options.ranges = {{-1.f, 24.f}, {24.f, 52.f}, {52.f, 1e8f}};
  for (const auto mode : {cpu::LabelMode::compat, cpu::LabelMode::filled, cpu::LabelMode::exact}) {
    options.mode = mode;
    const cpu::ImageTargets targets = cpu::image_targets(objects, kHeight, kWidth, options);
    REQUIRE_FALSE(targets.positives.empty());
    CHECK(targets.lengths.size() == targets.positives.size() * 24);
    for (const float d : targets.lengths) CHECK((d > 5 && d < 80));
  }
}

TEST_CASE("unusable options and spans are refused") {
  cpu::LabelOptions options;
  options.rays = 0;
  CHECK_THROWS_AS(cpu::image_targets({}, kHeight, kWidth, options), Error);
  options = {};
  options.ranges.pop_back();
  CHECK_THROWS_WITH_AS(cpu::image_targets({}, kHeight, kWidth, options),
                       "ray labels: 5 strides but 4 ranges; give one range a level", Error);
  options = {};
  options.strides[2] = 0;
  CHECK_THROWS_AS(cpu::image_targets({}, kHeight, kWidth, options), Error);
  std::vector<int32_t> small(5);
  CHECK_THROWS_AS(cpu::write_targets(cpu::image_targets({}, kHeight, kWidth, {}), {small, {}, {}, {}, {}}), Error);
}
