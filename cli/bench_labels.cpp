#include "cli/bench_labels.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <numeric>
#include <vector>

#include "cpu/ray_labels.h"
#include "data/image.h"
#include "data/stopwatch.h"
#include "tensor/error.h"
#include "tensor/rng.h"

namespace az::cli {
namespace {

constexpr int kHeight = 800, kWidth = 1333, kPaddedHeight = 896, kPaddedWidth = 1408, kObjects = 7;

struct Blob {
  std::vector<uint8_t> mask;  // [padded height, padded width]
  cpu::MaskView view() const { return {mask.data(), kPaddedHeight, kPaddedWidth, kPaddedWidth}; }
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
  return blob;
}

std::vector<cpu::LabelObject> describe_all(const std::vector<Blob>& blobs, const std::vector<cpu::Rect>& bounds) {
  std::vector<cpu::LabelObject> objects;
  for (size_t i = 0; i < blobs.size(); ++i) {
    const cpu::Rect& r = bounds[i];
    objects.push_back({cpu::describe(blobs[i].view(), r),
                       {static_cast<float>(r.x), static_cast<float>(r.y), static_cast<float>(r.x + r.width - 1),
                        static_cast<float>(r.y + r.height - 1)},
                       1});
  }
  return objects;
}

void write_masks(const std::vector<Blob>& blobs, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (size_t i = 0; i < blobs.size(); ++i) {
    data::Image image(kPaddedWidth, kPaddedHeight, 1);
    image.pixels = blobs[i].mask;
    data::write_png(folder / fmt::format("{}.png", i + 1), image);
  }
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

BenchLabels bench_labels(const BenchLabelsOptions& options) {
  AZ_CHECK(options.repeats > 0, "bench labels: {} repeats, want at least 1", options.repeats);
  Rng rng(options.seed, Purpose::test);
  std::vector<Blob> blobs;
  for (int i = 0; i < kObjects; ++i) blobs.push_back(make_blob(rng, 16 * std::pow(1.5, i)));  // 16 .. 182 px
  cpu::LabelOptions labels;
  labels.mode = options.mode;

  if (!options.masks.empty()) write_masks(blobs, options.masks);

  BenchLabels result;
  std::vector<double> total, find, contours, rays, dense;
  std::vector<int32_t> label, object;
  std::vector<float> box, lengths, centerness;
  for (int i = 0; i < options.repeats; ++i) {
    data::Stopwatch watch;
    std::vector<cpu::Rect> bounds;
    for (const Blob& blob : blobs) bounds.push_back(cpu::bounding_rect(blob.view()));
    find.push_back(watch.lap_ms());
    const std::vector<cpu::LabelObject> objects = describe_all(blobs, bounds);
    contours.push_back(watch.lap_ms());
    const cpu::ImageTargets targets = cpu::image_targets(objects, kPaddedHeight, kPaddedWidth, labels);
    rays.push_back(watch.lap_ms());
    const size_t n = static_cast<size_t>(targets.locations);
    label.resize(n), object.resize(n), box.resize(n * 4), lengths.resize(n * 36), centerness.resize(n);
    watch.lap_ms();  // the loader's tensors are there before
    cpu::write_targets(targets, {label, object, box, lengths, centerness});
    dense.push_back(watch.lap_ms());
    total.push_back(find.back() + contours.back() + rays.back() + dense.back());
    result.objects = static_cast<int>(objects.size());
    result.positives = static_cast<int>(targets.positives.size());
    result.locations = targets.locations;
    result.contour_points = 0;
    for (const auto& o : objects) result.contour_points += static_cast<int>(o.shape.contour.size());
    result.ray_sum = std::accumulate(targets.lengths.begin(), targets.lengths.end(), 0.0);
  }
  result.ms = median(total);
  result.ms_min = std::ranges::min(total);
  result.find_ms = median(find);
  result.contours_ms = median(contours);
  result.rays_ms = median(rays);
  result.dense_ms = median(dense);
  return result;
}

}  // namespace az::cli
