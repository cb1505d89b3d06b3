#include "models/polarmask/postprocess.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/error.h"

using namespace az;
namespace pm = models::polarmask;

namespace {

constexpr int kRays = 36, kClasses = 3;

/// One level of 8 x 10 cells with stride 8: nothing found, every ray 10 px, every box 10 px to all sides.
struct Level {
  static constexpr int kHeight = 8, kWidth = 10, kStride = 8;
  std::vector<float> cls = std::vector<float>(80 * kClasses, -9.0f);
  std::vector<float> centerness = std::vector<float>(80, 0.0f);
  std::vector<float> box = std::vector<float>(80 * 4, 10.0f);
  std::vector<float> rays = std::vector<float>(80 * kRays, 10.0f);

  float& logit(int row, int column, int c) { return cls[static_cast<size_t>((row * kWidth + column) * kClasses + c)]; }
  std::vector<pm::LevelOutputs> outputs(bool boxes = true) const {
    return {{kHeight, kWidth, kStride, cls, centerness, boxes ? std::span<const float>(box) : std::span<const float>(),
             rays}};
  }
};

const pm::ImageGeometry kGeometry = {80, 64, 1, 1, 80, 64};

pm::PostprocessOptions options() {
  pm::PostprocessOptions o;
  o.classes = kClasses;
  o.rays = kRays;
  return o;
}

}  // namespace

TEST_CASE("a hot location becomes a circle around its centre") {
  Level level;
  level.logit(3, 4, 1) = 2.0f;
  level.centerness[34] = 1.0f;
  const pm::Detections found = pm::postprocess(level.outputs(), kGeometry, options());
  REQUIRE(found.size() == 1);
  CHECK(found.label[0] == 1);
  CHECK(found.location[0] == 34);
  CHECK(found.score[0] == doctest::Approx(1 / (1 + std::exp(-2.0)) * (1 / (1 + std::exp(-1.0)) + 0.5)));
  CHECK(found.box[0].x1 == 26.0f);  // location (36, 28)
  CHECK(found.box[0].y2 == 38.0f);
  const auto polygon = found.polygon_of(0);
  CHECK(polygon[0] == doctest::Approx(36));  // ray 0 points down
  CHECK(polygon[1] == doctest::Approx(38));
  CHECK(polygon[18] == doctest::Approx(46));  // ray 9 points right
  CHECK(polygon[19] == doctest::Approx(28));
  const cpu::Rle mask = pm::polygon_mask(polygon, kGeometry);
  CHECK((mask.height == 64 && mask.width == 80));
  uint32_t area = 0;
  for (size_t i = 1; i < mask.counts.size(); i += 2) area += mask.counts[i];
  CHECK(area == doctest::Approx(314).epsilon(0.1));
}

TEST_CASE("boxes and polygons are clamped to the input and scaled to the picture") {
  Level level;
  level.logit(0, 0, 0) = 3.0f;
  std::ranges::fill(level.rays, 1000.0f);
  std::ranges::fill(level.box, 1000.0f);
  const pm::ImageGeometry geometry = {75, 60, 2.0f, 0.5f, 38, 120};
  const pm::Detections found = pm::postprocess(level.outputs(), geometry, options());
  REQUIRE(found.size() == 1);
  CHECK(found.box[0].x1 == 0.0f);
  CHECK(found.box[0].x2 == 37.0f);
  CHECK(found.box[0].y2 == 118.0f);
  const auto [low, high] = std::ranges::minmax(found.polygon_of(0));
  CHECK(low == 0.0f);
  CHECK(high == 118.0f);
}

TEST_CASE("suppression works inside a class only, and few detections stay class by class") {
  Level level;
  level.logit(3, 4, 2) = 1.0f;
  level.logit(3, 5, 2) = 2.0f;  // 8 px away: boxes of 20 px overlap by 13 / 29
  level.logit(3, 4, 0) = 0.5f;
  pm::PostprocessOptions o = options();
  o.nms_iou = 0.4f;
  pm::Detections found = pm::postprocess(level.outputs(), kGeometry, o);
  CHECK(found.label == std::vector<int32_t>{0, 2});
  CHECK(found.location == std::vector<int64_t>{34, 35});
  CHECK(found.score[0] < found.score[1]);
  o.nms_iou = 0.5f;
  found = pm::postprocess(level.outputs(), kGeometry, o);
  CHECK(found.location == std::vector<int64_t>{34, 34, 35});  // candidate order
  o.max_per_image = 2;
  found = pm::postprocess(level.outputs(), kGeometry, o);
  CHECK(found.location == std::vector<int64_t>{35, 34});  // by score
  CHECK(found.label == std::vector<int32_t>{2, 2});
  o.max_per_image = 0;
  CHECK(pm::postprocess(level.outputs(), kGeometry, o).size() == 0);
}

TEST_CASE("the threshold is on the class probability alone") {
  Level level;
  level.logit(1, 1, 0) = -2.0f;  // p = 0.119
  level.centerness[11] = -20.0f;
  pm::PostprocessOptions o = options();
  CHECK(pm::postprocess(level.outputs(), kGeometry, o).size() == 1);
  o.score_threshold = 0.12f;
  CHECK(pm::postprocess(level.outputs(), kGeometry, o).size() == 0);
}

TEST_CASE("nms_pre keeps the locations with the best p times centerness, best first") {
  Level level;
  std::ranges::fill(level.box, 1.0f);
  level.logit(0, 0, 0) = 3.0f, level.centerness[0] = -4.0f;
  level.logit(0, 1, 0) = 1.0f, level.centerness[1] = 0.0f;
  level.logit(0, 2, 0) = 1.0f, level.centerness[2] = 2.0f;
  pm::PostprocessOptions o = options();
  o.nms_pre = 2;
  CHECK(pm::postprocess(level.outputs(), kGeometry, o).location == std::vector<int64_t>{2, 1});
  o.nms_pre = 0;
  CHECK(pm::postprocess(level.outputs(), kGeometry, o).location == std::vector<int64_t>{0, 1, 2});
}

TEST_CASE("without a box branch, or with mask_nms, the polygon's rectangle is the box") {
  Level level;
  level.logit(3, 4, 1) = 2.0f;
  std::ranges::fill(level.box, 3.0f);
  pm::PostprocessOptions o = options();
  const math::Box none = pm::postprocess(level.outputs(false), kGeometry, o).box.at(0);
  o.mask_nms = true;
  const math::Box chosen = pm::postprocess(level.outputs(), kGeometry, o).box.at(0);
  for (const math::Box& box : {none, chosen}) {
    CHECK(box.x1 == doctest::Approx(26));
    CHECK(box.x2 == doctest::Approx(46));
    CHECK(box.y1 == doctest::Approx(18));
    CHECK(box.y2 == doctest::Approx(38));
  }
}

TEST_CASE("infinite and undefined outputs do no harm") {
  Level level;
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  level.logit(3, 4, 1) = 2.0f;
  level.logit(3, 5, 1) = nan;
  level.logit(3, 6, 1) = inf;
  std::fill_n(&level.rays[34 * kRays], kRays, nan);
  std::fill_n(&level.rays[36 * kRays], kRays, inf);
  level.centerness[34] = nan;
  pm::PostprocessOptions o = options();
  o.nms_pre = 5;
  const pm::Detections found = pm::postprocess(level.outputs(false), kGeometry, o);
  for (const float v : found.polygon) CHECK((v >= 0 && v <= 79));
  const std::vector<cpu::Rle> masks = pm::polygon_masks(found, kGeometry);
  REQUIRE(masks.size() == found.size());
  for (size_t i = 0; i < found.size(); ++i) CHECK(masks[i] == pm::polygon_mask(found.polygon_of(i), kGeometry));
  CHECK(pm::integer_vertices(std::vector<float>{nan, inf}, false) == std::vector<cpu::Point>{{0, 1000000}});
}

TEST_CASE("vertices are truncated or rounded") {
  const std::vector<float> polygon = {1.6f, 2.5f, -0.7f, 3.4f};
  CHECK(pm::integer_vertices(polygon, false) == std::vector<cpu::Point>{{1, 2}, {0, 3}});
  CHECK(pm::integer_vertices(polygon, true) == std::vector<cpu::Point>{{2, 3}, {-1, 3}});
}

TEST_CASE("the ray ceiling of a disc is nearly the disc, and of nothing nothing") {
  cpu::Mask disc{120, 150, std::vector<uint8_t>(120 * 150)};
  for (int y = 0; y < 120; ++y) {
    for (int x = 0; x < 150; ++x)
      disc.pixels[static_cast<size_t>(y * 150 + x)] = (x - 70) * (x - 70) + (y - 55) * (y - 55) <= 45 * 45;
  }
  for (const auto mode : {cpu::LabelMode::compat, cpu::LabelMode::filled, cpu::LabelMode::exact}) {
    const cpu::Mask best = pm::ray_ceiling_mask(disc, 36, mode);
    int both = 0, either = 0;
    for (size_t i = 0; i < disc.pixels.size(); ++i) {
      both += disc.pixels[i] & best.pixels[i];
      either += disc.pixels[i] | best.pixels[i];
    }
    CHECK(static_cast<double>(both) / either > 0.95);
  }
  std::ranges::fill(disc.pixels, uint8_t{0});
  CHECK(pm::ray_ceiling_mask(disc, 36, cpu::LabelMode::compat) == disc);
}

TEST_CASE("outputs that do not fit are refused") {
  Level level;
  pm::PostprocessOptions o = options();
  o.rays = 35;
  CHECK_THROWS_WITH_AS(
      pm::postprocess(level.outputs(), kGeometry, o),
      "postprocess: level of 10x8 has 240 class logits, 80 centerness logits, 320 box distances, 2880 ray "
      "lengths; want 3 classes and 35 rays",
      Error);
  CHECK_THROWS_AS(pm::postprocess(level.outputs(), {80, 64, 0, 1, 80, 64}, options()), Error);
  CHECK_THROWS_AS(pm::postprocess(level.outputs(), {80, 0, 1, 1, 80, 64}, options()), Error);
}
