#include "models/polarmask/data_options.h"

#include <algorithm>
#include <set>

#include "tensor/error.h"

namespace az::models {
namespace {

data::PolarInputOptions input_options(const PolarDataConfig& c, std::vector<data::ImageSize> scales, int divisor) {
  data::PolarInputOptions o;
  o.scale = {.scales = std::move(scales), .range = false, .keep_ratio = c.keep_ratio};
  o.scale.range = o.scale.scales.size() == 2;
  o.divisor = divisor;
  o.normalise = {.mean = c.mean, .std = c.std, .bgr = !c.rgb};
  return o;
}

uint8_t level(float grey) { return static_cast<uint8_t>(std::clamp(grey + 0.5F, 0.0F, 255.0F)); }

/// Keeps the pictures with these positions (by rising id) and their annotations.
data::CocoDataset keep(const data::CocoDataset& all, size_t begin, size_t end) {
  std::vector<data::CocoImage> images = all.images;
  std::ranges::stable_sort(images, {}, &data::CocoImage::id);
  data::CocoDataset part;
  part.categories = all.categories;
  part.segmentations = all.segmentations;
  part.images.assign(images.begin() + static_cast<std::ptrdiff_t>(begin),
                     images.begin() + static_cast<std::ptrdiff_t>(end));
  std::set<int64_t> ids;
  for (const auto& image : part.images) ids.insert(image.id);
  for (const auto& a : all.annotations)
    if (ids.contains(a.image_id)) part.annotations.push_back(a);
  part.build_index();
  return part;
}

}  // namespace

data::PolarDataOptions train_data_options(const PolarMaskConfig& config) {
  const PolarDataConfig& c = config.data;
  std::vector<data::ImageSize> scales = {{c.train_scale_low[0], c.train_scale_low[1]}};
  if (c.train_scale_high != c.train_scale_low) scales.push_back({c.train_scale_high[0], c.train_scale_high[1]});
  data::PolarDataOptions o;
  o.input = input_options(c, std::move(scales), c.train_divisor);
  o.filter = {.min_area = c.min_area,
              .min_side = c.min_side,
              .min_pixels = c.min_mask_px,
              .min_picture_side = c.min_image_side};
  o.flip = c.flip;
  if (c.shift || c.zoom_low != 1 || c.zoom_high != 1 || c.aspect != 0)
    o.zoom = data::ZoomOptions{.rule = {.zoom_low = c.zoom_low, .zoom_high = c.zoom_high, .aspect = c.aspect},
                               .min_share = c.min_visible,
                               .min_pixels = c.min_visible_px,
                               .fill = {level(c.fill[0]), level(c.fill[1]), level(c.fill[2]), 0}};
  o.jpeg_scale = c.jpeg_scale;
  o.ignore_crowd = c.ignore_crowd;
  o.labels = config.labels;
  o.seed = static_cast<uint64_t>(config.train.seed);
  return o;
}

data::PolarInputOptions test_input_options(const PolarDataConfig& c) {
  return input_options(c, {{c.test_scale[0], c.test_scale[1]}}, c.test_divisor);
}

PolarDataset read_dataset(const PolarDataConfig& c, bool validation) {
  const std::filesystem::path root = c.root;
  const bool held_out = c.holdout > 0;
  const bool own_file = validation && !held_out;
  const auto all = data::read_coco(root / (own_file ? c.val_annotations : c.train_annotations));
  const auto images = root / (own_file ? c.val_images : c.train_images);
  const size_t count = all.images.size();
  const auto last = std::min(count, static_cast<size_t>(c.holdout));
  size_t begin = validation && held_out ? count - last : 0;
  size_t end = validation ? count : count - last;
  const int64_t limit = validation ? c.val_limit : c.train_limit;
  if (limit > 0) end = std::min(end, begin + static_cast<size_t>(limit));
  AZ_CHECK(begin < end, "{}: no pictures left for {} (holdout {}, limit {})", (root / c.train_annotations).string(),
           validation ? "validation" : "training", c.holdout, limit);
  return {begin == 0 && end == count ? all : keep(all, begin, end), images};
}

}  // namespace az::models
