// Ray labels on the device against the CPU's, to the bit.
#include "cuda/build.h"

#ifdef AZ_CUDA_BUILT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cuda/ray_label_batch.h"
#include "math/polar.h"
#include "tensor/error.h"
#include "tensor/rng.h"
#include "tests/support/devices.h"
#include "tests/support/golden.h"

namespace az::test {
namespace {

using cpu::LabelMode;
using cpu::LabelObject;
using Images = std::vector<std::vector<LabelObject>>;

struct Dense {
  std::vector<int32_t> label, object;
  std::vector<float> box, rays, centerness;
};

/// The CPU's targets of all images, one after the other.
Dense by_cpu(const Images& images, int height, int width, const cpu::LabelOptions& options) {
  const auto grids = cpu::level_grids(height, width, options.strides);
  const auto locations = static_cast<size_t>(cpu::location_count(grids));
  const auto rays = static_cast<size_t>(options.rays);
  Dense d;
  for (const auto& objects : images) {
    const size_t at = d.label.size(), n = at + locations;
    d.label.resize(n), d.object.resize(n), d.box.resize(n * 4), d.rays.resize(n * rays), d.centerness.resize(n);
    const auto part = [&](auto& all, size_t columns) {
      return std::span(all).subspan(at * columns, locations * columns);
    };
    cpu::write_targets(
        cpu::image_targets(objects, height, width, options),
        {part(d.label, 1), part(d.object, 1), part(d.box, 4), part(d.rays, rays), part(d.centerness, 1)});
  }
  return d;
}

/// Checks all five outputs and returns the number of positive locations.
int64_t compare(const Images& images, int height, int width, const cpu::LabelOptions& options) {
  const Compared compared(Against::cpu);
  const Sizes sizes{height, width, options.rays, images.empty() ? 0 : static_cast<int64_t>(images.back().size())};
  const Dense want = by_cpu(images, height, width, options);
  const auto plan = cuda::ray_label_plan(height, width, options);
  const auto got = cuda::ray_labels(cuda::device_of(*cuda()), plan, cuda::pack_objects(images, options));
  CHECK(got.label.to_vector<int32_t>() == want.label);
  CHECK(got.object.to_vector<int32_t>() == want.object);
  CHECK(got.box.to_vector<float>() == want.box);
  CHECK(got.rays.to_vector<float>() == want.rays);
  CHECK(got.centerness.to_vector<float>() == want.centerness);
  return std::ranges::count_if(want.object, [](int32_t o) { return o >= 0; });
}

LabelObject of_mask(const cpu::Mask& mask, int32_t label) {
  LabelObject object{cpu::describe({mask.pixels.data(), mask.height, mask.width, mask.width}), {}, label};
  const cpu::Rect r = cpu::bounding_rect({mask.pixels.data(), mask.height, mask.width, mask.width});
  object.box = {static_cast<float>(r.x), static_cast<float>(r.y), static_cast<float>(r.x + r.width - 1),
                static_cast<float>(r.y + r.height - 1)};
  return object;
}

/// A wavy ellipse somewhere on the picture; a single pixel or a line where a radius is 0.
LabelObject blob(Rng& rng, int height, int width, int32_t label) {
  const double cx = rng.uniform(0, width - 1.0), cy = rng.uniform(0, height - 1.0);
  const double rx = rng.uniform(0, width / 2.0), ry = rng.uniform(0, height / 2.0), waves = rng.uniform(1, 9);
  cpu::Mask mask{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width))};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double dx = (x - cx) / (rx + 0.5), dy = (y - cy) / (ry + 0.5);
      const bool in = dx * dx + dy * dy < 1 + 0.4 * std::sin(waves * std::atan2(dy, dx));
      mask.pixels[static_cast<size_t>(y * width + x)] = in ? 1 : 0;
    }
  }
  return of_mask(mask, label);
}

/// Points and a box from anywhere, inside the picture or not: no mask gives such a contour.
LabelObject scatter(Rng& rng, int points, int far, int32_t label) {
  const auto anywhere = [&] { return static_cast<int>(rng.integer(-far, far)); };
  LabelObject object;
  for (int i = 0; i < points; ++i) object.shape.contour.push_back({anywhere(), anywhere()});
  object.shape.centre = {static_cast<int>(rng.integer(0, far)), anywhere()};
  const float x = static_cast<float>(object.shape.centre.x), y = static_cast<float>(object.shape.centre.y);
  const auto side = [&] { return static_cast<float>(rng.uniform(-4, far)); };  // the box may miss its centre
  object.box = {x - side(), y - side(), x + side(), y + side()};
  object.label = label;
  return object;
}

cpu::LabelOptions small_levels(LabelMode mode, int rays) {
  cpu::LabelOptions options;
  options.rays = rays;
  options.mode = mode;
  options.strides = {4, 8, 16};
  options.ranges = {{-1.F, 24.F}, {24.F, 52.F}, {52.F, 1e8F}};
  return options;
}

constexpr LabelMode kModes[] = {LabelMode::compat, LabelMode::filled, LabelMode::exact};

}  // namespace

TEST_CASE("ray labels on the device equal the CPU's on masks of every size") {
  if (cuda() == nullptr) return;
  Rng rng(11, Purpose::test);
  int64_t positives = 0;
  for (const auto& [height, width] : {std::pair{1, 1}, {31, 33}, {32, 257}, {257, 32}, {96, 128}}) {
    for (const LabelMode mode : kModes) {
      CAPTURE(height);
      CAPTURE(static_cast<int>(mode));
      Images images(3);
      for (int i = 0; i < 9; ++i) images[0].push_back(blob(rng, height, width, i + 1));
      images[0].push_back(images[0].front());  // equal area: the first wins
      images[2].push_back(blob(rng, height, width, 5));
      cpu::LabelOptions options = small_levels(mode, 36);
      options.center_radius = mode == LabelMode::filled ? 2.25F : 1.5F;
      positives += compare(images, height, width, options);
    }
  }
  CHECK(positives > 500);
}

TEST_CASE("ray labels on the device take any number of objects, contour points and rays") {
  if (cuda() == nullptr) return;
  Rng rng(12, Purpose::test);
  for (const int objects : {0, 1, 31, 32, 33, 257}) {
    for (const LabelMode mode : kModes) {
      CAPTURE(objects);
      CAPTURE(static_cast<int>(mode));
      const int sizes[] = {0, 1, 2, 31, 32, 33, 257};  // points; without any the object is left out
      Images images(2);
      for (int i = 0; i < objects; ++i) images[1].push_back(scatter(rng, sizes[i % 7], 160, i));
      compare(images, 64, 96, small_levels(mode, 36));
    }
  }
  cpu::LabelOptions options = small_levels(LabelMode::compat, 36);
  for (const int rays : {3, 7, 31, 32, 33, 257, 360}) {
    for (const LabelMode mode : kModes) {
      CAPTURE(rays);
      Images images(1);
      for (int i = 0; i < 12; ++i) images[0].push_back(scatter(rng, 40 << (i % 5), 50, i));
      for (const int longest : {0, 3, 1000}) {
        options.mode = mode;
        options.rays = rays;
        options.fill_max_run = longest;
        CHECK(compare(images, 48, 64, options) > 0);
      }
    }
  }
}

TEST_CASE("ray labels on the device: batches without images, boxes of no level, of huge area, and the wipe") {
  if (cuda() == nullptr) return;
  CHECK(compare({}, 64, 64, {}) == 0);
  CHECK(compare({{}, {}}, 33, 65, {}) == 0);
  Rng rng(13, Purpose::test);
  LabelObject object = scatter(rng, 100, 60, 3);
  object.shape.centre = {32, 32};
  object.box = {-2e4F, -2e4F, 2e4F, 2e4F};  // area above 1e8
  CHECK(compare({{object}}, 64, 64, {}) == 0);
  object.box = {10, 10, 50, 50};
  cpu::LabelOptions options;
  CHECK(compare({{object}}, 64, 64, options) > 0);
  options.ranges.assign(5, {1e6F, 1e7F});
  CHECK(compare({{object}}, 64, 64, options) == 0);
  options = {};
  options.compat_wipe_when_center_x_zero = true;
  CHECK(compare({{object, object}, {}}, 64, 64, options) > 0);
  LabelObject at_zero = object;
  at_zero.shape.centre.x = 0;
  CHECK(compare({{at_zero, object}}, 64, 64, options) == 0);
  CHECK(compare({{object, at_zero}}, 64, 64, options) > 0);
  object.shape.contour = {{32, 32}};  // on a location: ray 0 has length 0
  CHECK(compare({{object}}, 64, 64, {}) > 0);
  for (cpu::Point& p : object.shape.contour) p = {4000, -3000};  // squares beyond 2^24
  CHECK(compare({{object}}, 64, 64, {}) > 0);
}

TEST_CASE("ray labels on the device write unaligned outputs, and only those that are asked for") {
  if (cuda() == nullptr) return;
  Rng rng(14, Purpose::test);
  Images images(1);
  for (int i = 0; i < 9; ++i) images[0].push_back(blob(rng, 40, 56, i + 1));
  const Compared compared(Against::cpu);
  const cpu::LabelOptions options = small_levels(LabelMode::compat, 31);
  const Dense want = by_cpu(images, 40, 56, options);
  auto& device = cuda::device_of(*cuda());
  const auto plan = cuda::ray_label_plan(40, 56, options);
  const auto batch = cuda::pack_objects(images, options);
  const auto up = [&](const auto& v) { return Tensor::from(v, {static_cast<int64_t>(v.size())}, device); };
  const Tensor inputs[] = {up(batch.object_offsets), up(batch.contour_offsets), up(batch.points),
                           up(batch.centres),        up(batch.boxes),           up(batch.labels)};
  const cuda::RayLabelInput input{inputs[0].data<int32_t>(),
                                  inputs[1].data<int32_t>(),
                                  inputs[2].data<int32_t>(),
                                  inputs[3].data<int32_t>(),
                                  inputs[4].data<float>(),
                                  inputs[5].data<int32_t>(),
                                  nullptr};
  for (const int64_t odd : {1, 2, 3}) {
    const auto guarded = [&](size_t n) { return Tensor::full({static_cast<int64_t>(n) + 4}, 77, DType::f32, device); };
    Tensor box = guarded(want.box.size()), rays = guarded(want.rays.size()), centerness = guarded(want.label.size());
    cuda::ray_labels(device.stream(), plan, input, 1,
                     {nullptr, nullptr, box.mutable_data<float>() + odd, rays.mutable_data<float>() + odd, nullptr});
    cuda::ray_labels(device.stream(), plan, input, 1,
                     {nullptr, nullptr, nullptr, nullptr, centerness.mutable_data<float>() + odd});
    const auto check = [&](const Tensor& tensor, std::vector<float> expected) {
      expected.insert(expected.begin(), static_cast<size_t>(odd), 77);
      expected.resize(static_cast<size_t>(tensor.numel()), 77);
      CHECK(tensor.to_vector<float>() == expected);
    };
    check(box, want.box);
    check(rays, want.rays);
    check(centerness, want.centerness);
  }
}

TEST_CASE("ray labels on the device: background that is to be ignored gets label -1, positives keep theirs") {
  if (cuda() == nullptr) return;
  Rng rng(15, Purpose::test);
  Images images(2);
  for (int i = 0; i < 5; ++i) images[1].push_back(blob(rng, 40, 56, i + 1));
  const cpu::LabelOptions options = small_levels(LabelMode::compat, 36);
  Dense want = by_cpu(images, 40, 56, options);
  cuda::RayLabelBatch batch = cuda::pack_objects(images, options);
  for (size_t i = 0; i < want.label.size(); ++i) {
    batch.ignored.push_back(i % 3 == 0 ? 1 : 0);
    if (i % 3 == 0 && want.label[i] == 0) want.label[i] = -1;
  }
  REQUIRE(std::ranges::count(want.label, -1) > 0);
  const auto got = cuda::ray_labels(cuda::device_of(*cuda()), cuda::ray_label_plan(40, 56, options), batch);
  CHECK(got.label.to_vector<int32_t>() == want.label);
  CHECK(got.rays.to_vector<float>() == want.rays);
}

TEST_CASE("ray labels on the device equal the CPU's on the golden pictures, which give masks as run lengths") {
  if (cuda() == nullptr) return;
  for (const char* name : {"256x320", "768x1280", "800x1333"}) {
    CAPTURE(name);
    golden::Report report;
    const golden::Case stored(golden::folder() / "polarmask" / ("ray_labels_image_" + std::string(name) + ".json"),
                              report);
    const auto padded = stored.json().at("pad_hw").get<std::vector<int>>();
    cpu::LabelOptions options;
    options.rays = stored.json().at("rays").get<int>();
    options.strides = stored.json().at("strides").get<std::vector<int>>();
    options.ranges = stored.json().at("regress_ranges").get<std::vector<std::pair<float, float>>>();
    options.center_radius = stored.json().at("center_radius").get<float>();
    options.compat_wipe_when_center_x_zero = true;
    const auto counts = stored.values<uint32_t>("rle_counts");
    const auto offsets = stored.values<int64_t>("rle_offsets");
    const auto labels = stored.values<int32_t>("gt_labels");
    const auto boxes = stored.values<float>("gt_boxes");
    Images images(1);
    for (size_t i = 0; i < labels.size(); ++i) {
      const cpu::Rle rle{static_cast<uint32_t>(padded.at(0)),
                         static_cast<uint32_t>(padded.at(1)),
                         {counts.begin() + offsets[i], counts.begin() + offsets[i + 1]}};
      images[0].push_back(
          cuda::label_object(rle, {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]}, labels[i]));
    }
    CHECK(compare(images, padded[0], padded[1], options) > 0);
  }
}

TEST_CASE("the bin of no offset up to 2048 hangs on the last bits of an arctangent") {
#if defined(AZ_SANITIZED)
  const int stride = 37;
#else
  const int stride = 1;
#endif
  constexpr int kFar = 2048, kUlps = 4;  // the device's arctangent is good to 2, glibc's to 1
  int64_t near = 0, unsure = 0;
  for (int y = -kFar; y <= kFar; ++y) {
    for (int x = -kFar; x <= kFar; x += stride) {
      const float dx = static_cast<float>(x), dy = static_cast<float>(y);
      if (math::fast_angle_bin(dx, dy) >= 0) continue;
      ++near;
      double low = std::atan2(double{dx}, double{dy}), high = low;
      for (int i = 0; i < kUlps; ++i) {
        low = std::nextafter(low, -10.0);
        high = std::nextafter(high, 10.0);
      }
      // atan2 is exact at 0, and there only. A negative direction next to it would be bin 359.
      if (x == 0 && y >= 0) continue;
      unsure += math::bin_of_radians(low) != math::bin_of_radians(high);
    }
  }
  CHECK(near > 1000);
  CHECK(unsure == 0);
}

TEST_CASE("ray labels on the device refuse what they cannot hold") {
  cpu::LabelOptions options;
  options.rays = 2;
  CHECK_THROWS_AS(cuda::ray_label_plan(64, 64, options), Error);
  options = {};
  options.strides.assign(9, 8);
  options.ranges.assign(9, {0.F, 1.F});
  CHECK_THROWS_WITH_AS(cuda::ray_label_plan(64, 64, options),
                       "ray labels: 9 levels, the device's kernel takes 8 at most", Error);
}

}  // namespace az::test
#endif
