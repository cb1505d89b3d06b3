// The device's post-processing finds what the CPU's finds, to the bit.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/graph.h"
#include "models/polarmask/device_postprocess.h"
#include "tensor/error.h"
#include "tensor/rng.h"
#include "tests/support/devices.h"

using namespace az;
namespace pm = models::polarmask;

namespace {

struct LevelSize {
  int height, width, stride;
};
const std::vector<LevelSize> kPyramid = {{20, 27, 8}, {10, 14, 16}, {5, 7, 32}, {3, 4, 64}, {2, 2, 128}};

/// Outputs of a whole batch on the host.
struct Outputs {
  int images = 1, classes = 1, rays = 36;
  std::vector<LevelSize> sizes = kPyramid;
  std::vector<std::vector<float>> cls, centerness, box, ray;  // by level

  Outputs(int n, int c, int r, uint64_t seed, double hot) : images(n), classes(c), rays(r) {
    Rng rng(seed, Purpose::test);
    for (const LevelSize& l : sizes) {
      const auto count = static_cast<size_t>(n * l.height * l.width);
      const auto values = [&](size_t width, auto&& draw) {
        std::vector<float> v(count * width);
        for (float& x : v) x = static_cast<float>(draw());
        return v;
      };
      const auto logit = [&] { return rng.chance(hot) ? rng.uniform(-3, 4) : rng.uniform(-9, -5); };
      cls.push_back(values(static_cast<size_t>(c), logit));
      centerness.push_back(values(1, [&] { return rng.uniform(-3, 3); }));
      const auto distance = [&] { return l.stride * std::exp(rng.uniform(0, 2)); };
      box.push_back(values(4, distance));
      ray.push_back(values(static_cast<size_t>(r), distance));
    }
  }

  std::vector<pm::LevelOutputs> of_image(int image, bool boxes) const {
    std::vector<pm::LevelOutputs> levels;
    for (size_t l = 0; l < sizes.size(); ++l) {
      const auto count = static_cast<size_t>(sizes[l].height * sizes[l].width);
      const auto part = [&](const std::vector<float>& v, int width) {
        const size_t each = count * static_cast<size_t>(width);
        return std::span(v).subspan(static_cast<size_t>(image) * each, each);
      };
      levels.push_back({sizes[l].height, sizes[l].width, sizes[l].stride, part(cls[l], classes), part(centerness[l], 1),
                        boxes ? part(box[l], 4) : std::span<const float>(), part(ray[l], rays)});
    }
    return levels;
  }

  models::PolarOutputs on(Device& device, bool boxes) const {
    models::PolarOutputs out;
    for (size_t l = 0; l < sizes.size(); ++l) {
      const auto tensor = [&](const std::vector<float>& v, int width) {
        return Tensor::from(v, {images, sizes[l].height, sizes[l].width, width}, device);
      };
      out.classes.push_back(tensor(cls[l], classes));
      out.centerness.push_back(tensor(centerness[l], 1));
      out.rays.push_back(tensor(ray[l], rays));
      if (boxes) out.boxes.push_back(tensor(box[l], 4));
    }
    return out;
  }

  std::vector<int> strides() const {
    std::vector<int> all;
    for (const LevelSize& l : sizes) all.push_back(l.stride);
    return all;
  }
};

pm::PostprocessOptions options_for(const Outputs& o) {
  pm::PostprocessOptions options;
  options.classes = o.classes;
  options.rays = o.rays;
  return options;
}

std::vector<pm::ImageGeometry> geometries(int images) {
  std::vector<pm::ImageGeometry> all;
  for (int i = 0; i < images; ++i) all.push_back({205 - 7 * i, 150 + i, 1.37f, 0.82f + 0.1f * float(i), 150, 183});
  return all;
}

/// The same bits, NaN scores included.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

void check_equal(const pm::Detections& found, const pm::Detections& want) {
  CHECK(found.rays == want.rays);
  CHECK(found.label == want.label);
  CHECK(found.location == want.location);
  CHECK(same_bits(found.score, want.score));
  CHECK(same_bits(found.box, want.box));
  CHECK(same_bits(found.polygon, want.polygon));
}

void check(const Outputs& outputs, const pm::PostprocessOptions& options, bool boxes = true, size_t at_least = 1) {
  if (!test::cuda()) return;
  const test::Compared compared(test::Against::cpu);
  const test::Sizes sizes{outputs.images, outputs.classes, outputs.rays, options.max_per_image};
  Device& device = *test::cuda();
  pm::DevicePostprocess post(options, outputs.strides(), outputs.images, device);
  const auto pictures = geometries(outputs.images);
  post.set_geometry(pictures);
  post.enqueue(outputs.on(device, boxes));
  const auto found = post.fetch();
  REQUIRE(found.size() == pictures.size());
  for (int i = 0; i < outputs.images; ++i) {
    CAPTURE(i);
    const auto want = pm::postprocess(outputs.of_image(i, boxes), pictures[static_cast<size_t>(i)], options);
    CHECK(want.size() >= at_least);
    check_equal(found[static_cast<size_t>(i)], want);
  }
}

}  // namespace

TEST_CASE("the device finds the CPU's detections: one class and many, one image and two, few and too many") {
  for (const int classes : {1, 3, 80})
    for (const double hot : {0.004, 0.2}) {
      CAPTURE(classes);
      CAPTURE(hot);
      const Outputs outputs(classes == 3 ? 2 : 1, classes, 36, 31, hot);
      pm::PostprocessOptions o = options_for(outputs);
      o.nms_pre = 100;
      check(outputs, o);
      o.mask_nms = true;
      o.max_per_image = 20;
      check(outputs, o);
    }
}

TEST_CASE("the device without boxes, with other rays, without a limit on candidates or on detections") {
  const Outputs outputs(1, 4, 23, 32, 0.05);
  pm::PostprocessOptions o = options_for(outputs);
  check(outputs, o, /*boxes=*/false);
  o.nms_pre = 0;
  o.max_per_image = 5000;
  check(outputs, o, false, 10);
  o.nms_pre = 1;
  o.score_threshold = 0;
  check(outputs, o);
  o.max_per_image = 0;
  check(outputs, o, true, 0);
  o.max_per_image = -1;
  check(outputs, o, true, 0);
}

TEST_CASE("the device finds the CPU's detections at odd numbers of rays, classes, candidates and detections") {
  if (!test::cuda()) return;
  const test::Compared compared(test::Against::cpu);
  for (const int count : {0, 1, 31, 32, 33, 257}) {
    CAPTURE(count);
    const Outputs outputs(1, count == 33 ? 33 : 2, std::max(3, count), 43, 0.1);
    pm::PostprocessOptions o = options_for(outputs);
    o.nms_pre = std::max(1, count);
    o.max_per_image = count;
    for (const bool boxes : {true, false}) check(outputs, o, boxes, 0);
  }
}

TEST_CASE("the device finds nothing where there is nothing, everything where all scores are equal") {
  Outputs outputs(1, 5, 36, 33, 0);
  check(outputs, options_for(outputs), true, 0);
  for (auto& level : outputs.cls) std::ranges::fill(level, 0.5f);
  for (auto& level : outputs.centerness) std::ranges::fill(level, -0.25f);
  pm::PostprocessOptions o = options_for(outputs);
  o.nms_pre = 70;
  check(outputs, o);
}

TEST_CASE("the device takes infinite and undefined outputs as the CPU does") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  Outputs outputs(1, 3, 36, 34, 0.1);
  Rng rng(35, Purpose::test);
  for (auto* role : {&outputs.cls, &outputs.centerness, &outputs.box, &outputs.ray})
    for (auto& level : *role)
      for (float& v : level)
        if (rng.chance(0.03)) v = rng.chance(0.3) ? nan : rng.chance(0.5) ? inf : -inf;
  for (const int limit : {15, 1000}) {
    pm::PostprocessOptions o = options_for(outputs);
    o.nms_pre = 200;
    o.max_per_image = limit;
    check(outputs, o);
    o.mask_nms = true;
    check(outputs, o);
  }
}

TEST_CASE("a captured graph serves pictures of other sizes and contents") {
  if (!test::cuda()) return;
  if constexpr (cuda::kBuilt) {
    Device& device = *test::cuda();
    const Outputs first(1, 3, 36, 37, 0.1), second(1, 3, 36, 38, 0.01);
    const pm::PostprocessOptions o = options_for(first);
    pm::DevicePostprocess post(o, first.strides(), 1, device);
    models::PolarOutputs inputs = first.on(device, true);
    cuda::GraphCache graphs(cuda::device_of(device).stream(), device.allocator());
    bool replayed = false;
    for (int turn = 0; turn < 6; ++turn) {
      const Outputs& now = turn % 2 == 0 ? first : second;
      const models::PolarOutputs fresh = now.on(device, true);
      for (size_t l = 0; l < fresh.classes.size(); ++l) {
        inputs.classes[l].copy_from(fresh.classes[l]);
        inputs.centerness[l].copy_from(fresh.centerness[l]);
        inputs.rays[l].copy_from(fresh.rays[l]);
        inputs.boxes[l].copy_from(fresh.boxes[l]);
      }
      const pm::ImageGeometry picture{190 + turn, 140 + turn, 1.5f, 1.5f, 130, 100};
      post.set_geometry({&picture, 1});
      replayed = graphs.run(1, [&] { post.enqueue(inputs); });
      check_equal(post.fetch().front(), pm::postprocess(now.of_image(0, true), picture, o));
    }
    CHECK(replayed);
    CHECK(graphs.failure().empty());
  }
}

TEST_CASE("the device's post-processing refuses what does not fit") {
  const Outputs outputs(1, 3, 36, 39, 0.1);
  const pm::PostprocessOptions o = options_for(outputs);
  CHECK_THROWS_WITH_AS(pm::DevicePostprocess(o, outputs.strides(), 1, test::cpu()), "postprocess: no kernels for cpu",
                       Error);
  if (!test::cuda()) return;
  Device& device = *test::cuda();
  CHECK_THROWS_AS(pm::DevicePostprocess(o, std::vector<int>(9, 8), 1, device), Error);
  pm::DevicePostprocess post(o, outputs.strides(), 1, device);
  CHECK_THROWS_AS(post.set_geometry(geometries(2)), Error);
  CHECK_THROWS_AS(post.set_geometry(std::vector<pm::ImageGeometry>{{80, 0, 1, 1, 80, 64}}), Error);
  CHECK_THROWS_AS(post.enqueue(Outputs(2, 3, 36, 40, 0).on(device, true)), Error);
  CHECK_THROWS_AS(post.enqueue(Outputs(1, 4, 36, 41, 0).on(device, true)), Error);
  models::PolarOutputs lacking = outputs.on(device, true);
  lacking.rays.pop_back();
  CHECK_THROWS_AS(post.enqueue(lacking), Error);
}
