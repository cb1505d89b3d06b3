#include "cli/bench_labels.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <vector>

#include "cpu/ray_labels.h"
#include "tensor/error.h"
#include "tensor/rng.h"

namespace az::cli {
namespace {

constexpr int kHeight = 800, kWidth = 1333, kPaddedHeight = 896, kPaddedWidth = 1408, kObjects = 7;

struct Blob {
  std::vector<uint8_t> mask;  // [padded height, padded width]
  cpu::Rect bounds;
};

/// A star-shaped outline around (cx, cy): a mean radius with five random waves on it.
Blob make_blob(Rng& rng, double radius) {
  const double reach = 1.5 * radius;  // the waves add up to half a radius at most
  const double cx = rng.uniform(reach, kWidth - reach), cy = rng.uniform(reach, kHeight - reach);
  double height[5], phase[5];
  for (int w = 0; w < 5; ++w) {
    height[w] = rng.uniform(0.0, 0.1);
    phase[w] = rng.uniform(0.0, 2 * std::numbers::pi);
  }
  Blob blob;
  blob.mask.resize(static_cast<size_t>(kPaddedHeight) * kPaddedWidth);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const double dx = x - cx, dy = y - cy, angle = std::atan2(dy, dx);
      double outline = 1;
      for (int w = 0; w < 5; ++w) outline += height[w] * std::sin((w + 1) * angle + phase[w]);
      const bool inside = dx * dx + dy * dy < radius * radius * outline * outline;
      blob.mask[static_cast<size_t>(y) * kPaddedWidth + static_cast<size_t>(x)] = inside ? 1 : 0;
    }
  }
  blob.bounds = cpu::bounding_rect({blob.mask.data(), kPaddedHeight, kPaddedWidth, kPaddedWidth});
  return blob;
}

std::vector<cpu::LabelObject> describe_all(const std::vector<Blob>& blobs) {
  std::vector<cpu::LabelObject> objects;
  for (const Blob& blob : blobs) {
    const cpu::Rect& r = blob.bounds;
    objects.push_back({cpu::describe({blob.mask.data(), kPaddedHeight, kPaddedWidth, kPaddedWidth}, r),
                       {static_cast<float>(r.x), static_cast<float>(r.y), static_cast<float>(r.x + r.width - 1),
                        static_cast<float>(r.y + r.height - 1)},
                       1});
  }
  return objects;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

BenchLabels bench_labels(const BenchLabelsOptions& options) {
  AZ_CHECK(options.repeats > 0, "bench labels: {} repeats, want at least 1", options.repeats);
  using Clock = std::chrono::steady_clock;
  const auto milliseconds = [](auto duration) { return std::chrono::duration<double, std::milli>(duration).count(); };
  Rng rng(options.seed, Purpose::test);
  std::vector<Blob> blobs;
  for (int i = 0; i < kObjects; ++i) blobs.push_back(make_blob(rng, 16 * std::pow(1.5, i)));  // 16 .. 182 px
  cpu::LabelOptions labels;
  labels.mode = options.mode;

  BenchLabels result;
  std::vector<double> total, contours, rays, dense;
  std::vector<int32_t> label, object;
  std::vector<float> box, lengths, centerness;
  for (int i = 0; i < options.repeats; ++i) {
    const auto start = Clock::now();
    const std::vector<cpu::LabelObject> objects = describe_all(blobs);
    const auto described = Clock::now();
    const cpu::ImageTargets targets = cpu::image_targets(objects, kPaddedHeight, kPaddedWidth, labels);
    const auto done = Clock::now();
    const size_t n = static_cast<size_t>(targets.locations);
    label.resize(n), object.resize(n), box.resize(n * 4), lengths.resize(n * 36), centerness.resize(n);
    const auto ready = Clock::now();
    cpu::write_targets(targets, {label, object, box, lengths, centerness});
    dense.push_back(milliseconds(Clock::now() - ready));
    total.push_back(milliseconds(done - start));
    contours.push_back(milliseconds(described - start));
    rays.push_back(milliseconds(done - described));
    result.objects = static_cast<int>(objects.size());
    result.positives = static_cast<int>(targets.positives.size());
    result.locations = targets.locations;
    result.contour_points = 0;
    for (const auto& o : objects) result.contour_points += static_cast<int>(o.shape.contour.size());
  }
  result.ms = median(total);
  result.ms_min = std::ranges::min(total);
  result.contours_ms = median(contours);
  result.rays_ms = median(rays);
  result.dense_ms = median(dense);
  return result;
}

}  // namespace az::cli
