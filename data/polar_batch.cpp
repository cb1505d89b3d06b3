// Samples to a batch: one padded size, then normalisation and targets straight into the batch's tensors.
#include <algorithm>

#include "data/polar_samples.h"
#include "data/stopwatch.h"
#include "tensor/error.h"
#include "tensor/profiler.h"

namespace az::data {
namespace {

bool covers(const ObjectMask& mask, int x, int y) {
  const int px = x - mask.part.x;
  const int py = y - mask.part.y;
  if (px < 0 || py < 0 || px >= mask.part.width || py >= mask.part.height) return false;
  return mask.pixels[static_cast<size_t>(py) * static_cast<size_t>(mask.part.width) + static_cast<size_t>(px)] != 0;
}

/// Calls ignore(location) for every location on a crowd.
template <class Ignore>
void locations_on(std::span<const ObjectMask> crowds, std::span<const cpu::LevelGrid> grids, const Ignore& ignore) {
  for (const ObjectMask& crowd : crowds) {
    for (const cpu::LevelGrid& grid : grids) {
      for (int i = 0; i < grid.height; ++i) {
        for (int j = 0; j < grid.width; ++j) {
          const int half = grid.stride / 2;
          if (covers(crowd, j * grid.stride + half, i * grid.stride + half))
            ignore(static_cast<size_t>(grid.first + int64_t{i} * grid.width + j));
        }
      }
    }
  }
}

/// Row `n` of a tensor's first dimension.
template <class T>
std::span<T> row(Tensor& tensor, size_t n) {
  const auto count = static_cast<size_t>(tensor.numel() / tensor.dim(0));
  return {tensor.mutable_data<T>() + n * count, count};
}

/// `picture` is the original's 1 / divisor, of which the last row and column may reach beyond its edge.
void write_image(const Image& picture, int divisor, const PictureInfo& info, const PolarInputOptions& options,
                 const std::array<uint8_t, 4>& fill, const ImageSize& padded, float* out) {
  const Placement& placement = info.placement;
  cpu::Normalise how = options.normalise;
  how.flip = placement.flip;
  const cpu::InputPlace place{.resized_width = placement.resized.width,
                              .resized_height = placement.resized.height,
                              .left = placement.left,
                              .top = placement.top,
                              .width = placement.window.width,
                              .height = placement.window.height,
                              .fill = fill,
                              .source_width = static_cast<double>(info.original.width) / divisor,
                              .source_height = static_cast<double>(info.original.height) / divisor};
  cpu::resize_normalise(picture.view(), place, how, padded.width, padded.height, out);
}

/// Targets of all pictures, of [h, w] when padded.
void write_targets(std::span<const PolarSample> samples, const cpu::LabelOptions& options,
                   std::span<const cpu::LevelGrid> grids, int height, int width, Device& host, PolarBatch& batch) {
  Stopwatch watch;
  const auto n = static_cast<int64_t>(samples.size());
  const int64_t locations = cpu::location_count(grids);
  batch.label = Tensor::empty({n, locations}, DType::i32, host);
  batch.box = Tensor::empty({n, locations, 4}, DType::f32, host);
  batch.rays = Tensor::empty({n, locations, options.rays}, DType::f32, host);
  batch.centerness = Tensor::empty({n, locations}, DType::f32, host);
  for (size_t i = 0; i < samples.size(); ++i) {
    batch.times.collate += watch.lap_ms();
    const cpu::ImageTargets targets = cpu::image_targets(samples[i].objects, height, width, options);
    batch.times.targets += watch.lap_ms();
    const std::span<int32_t> label = row<int32_t>(batch.label, i);
    cpu::write_targets(
        targets, {label, {}, row<float>(batch.box, i), row<float>(batch.rays, i), row<float>(batch.centerness, i)});
    locations_on(samples[i].crowds, grids, [&](size_t at) { label[at] = label[at] == 0 ? -1 : label[at]; });
  }
  batch.times.collate += watch.lap_ms();
}

/// What the device computes them from.
void keep_objects(std::span<const PolarSample> samples, std::span<const cpu::LevelGrid> grids, PolarBatch& batch) {
  const auto locations = static_cast<size_t>(cpu::location_count(grids));
  for (size_t i = 0; i < samples.size(); ++i) {
    batch.objects.push_back(samples[i].objects);
    if (samples[i].crowds.empty()) continue;
    batch.ignored.resize(samples.size() * locations);
    locations_on(samples[i].crowds, grids, [&](size_t at) { batch.ignored[i * locations + at] = 1; });
  }
}

}  // namespace

PolarBatch polar_batch(std::span<const PolarSample> samples, const PolarDataOptions& options, Device& host,
                       TargetsOn targets) {
  AZ_CHECK(!samples.empty(), "polar batch: no picture is given");
  Stopwatch watch;
  int width = 0;
  int height = 0;
  for (const PolarSample& sample : samples) {
    width = std::max(width, padded_size(sample.info.placement.window.width, options.input.divisor));
    height = std::max(height, padded_size(sample.info.placement.window.height, options.input.divisor));
  }
  const auto grids = cpu::level_grids(height, width, options.labels.strides);
  PolarBatch batch;
  batch.image = Tensor::empty({static_cast<int64_t>(samples.size()), height, width, 3}, DType::f32, host);
  batch.times.collate = watch.lap_ms();
  const auto fill = options.zoom ? options.zoom->fill : std::array<uint8_t, 4>{};
  for (size_t i = 0; i < samples.size(); ++i) {
    const PolarSample& sample = samples[i];
    batch.times += sample.times;
    {
      const ProfileSpan span(host, "normalise");
      write_image(sample.picture, sample.picture_divisor, sample.info, options.input, fill, {width, height},
                  row<float>(batch.image, i).data());
    }
    batch.times.image += watch.lap_ms();
    batch.pictures.push_back(sample.info);
    batch.counts += sample.counts;
    batch.times.collate += watch.lap_ms();
  }
  if (targets == TargetsOn::host) {
    write_targets(samples, options.labels, grids, height, width, host, batch);
  } else {
    keep_objects(samples, grids, batch);
  }
  return batch;
}

Tensor polar_input(const Image& picture, const PolarInputOptions& options, Device& host, PictureInfo& info) {
  AZ_CHECK(!options.scale.scales.empty(), "scale: none is given");
  info.original = {picture.width, picture.height};
  info.placement = resize_placement(info.original, options.scale.scales[0], options.scale.keep_ratio);
  const int width = padded_size(info.placement.window.width, options.divisor);
  const int height = padded_size(info.placement.window.height, options.divisor);
  Tensor input = Tensor::empty({1, height, width, 3}, DType::f32, host);
  write_image(picture, 1, info, options, {}, {width, height}, input.mutable_data<float>());
  return input;
}

}  // namespace az::data
