#include "data/polar_samples.h"

#include <algorithm>
#include <utility>

#include "data/stopwatch.h"
#include "tensor/error.h"
#include "tensor/profiler.h"

namespace az::data {
namespace {

constexpr int kMaxReplacements = 1000;

bool passes(const CocoAnnotation& annotation, const ObjectFilter& filter) {
  if (annotation.ignore || annotation.area <= filter.min_area) return false;
  return annotation.bbox[2] >= filter.min_side || annotation.bbox[3] >= filter.min_side;
}

/// x, y, w, h to corners with both ends inside; in f32 only at the end, as the reference.
BoxCorners corners(const cpu::Box& box) {
  return {static_cast<float>(box[0]), static_cast<float>(box[1]), static_cast<float>(box[0] + box[2] - 1),
          static_cast<float>(box[1] + box[3] - 1)};
}

/// Contour and centre of masks in the coordinates of one window.
class Describer {
 public:
  explicit Describer(const ImageSize& window)
      : window_(window), canvas_(static_cast<size_t>(window.width) * static_cast<size_t>(window.height)) {}

  cpu::ObjectShape operator()(const ObjectMask& mask) {
    const auto width = static_cast<size_t>(mask.part.width);
    for (int y = 0; y < mask.part.height; ++y) {
      const size_t to = static_cast<size_t>(mask.part.y + y) * static_cast<size_t>(window_.width);
      std::copy_n(&mask.pixels[static_cast<size_t>(y) * width], width, &canvas_[to + static_cast<size_t>(mask.part.x)]);
    }
    // Outside its part the canvas may hold other objects; nothing looks there.
    return cpu::describe({canvas_.data(), window_.height, window_.width, window_.width}, mask.part);
  }

 private:
  ImageSize window_;
  std::vector<uint8_t> canvas_;
};

}  // namespace

ObjectCounts& ObjectCounts::operator+=(const ObjectCounts& other) {
  learnt += other.learnt;
  vanished += other.vanished;
  cut += other.cut;
  multi_part += other.multi_part;
  pixels += other.pixels;
  lost_pixels += other.lost_pixels;
  return *this;
}

LoadTimes& LoadTimes::operator+=(const LoadTimes& other) {
  decode += other.decode;
  masks += other.masks;
  image += other.image;
  targets += other.targets;
  collate += other.collate;
  return *this;
}

PolarData::PolarData(CocoDataset dataset, std::filesystem::path folder, const PolarDataOptions& options)
    : dataset_(std::move(dataset)), folder_(std::move(folder)), options_(options) {
  for (size_t i = 0; i < dataset_.images.size(); ++i) {
    const CocoImage& image = dataset_.images[i];
    const auto annotations = dataset_.annotations_of(i);
    if (annotations.empty() || std::min(image.width, image.height) < options.filter.min_picture_side) continue;
    Picture picture{i, {}, {}};
    for (const uint32_t a : annotations) {
      const CocoAnnotation& annotation = dataset_.annotations[a];
      if (annotation.crowd) {
        if (!annotation.segmentation.empty()) picture.crowds.push_back(a);
      } else if (passes(annotation, options.filter)) {
        AZ_CHECK(!annotation.segmentation.empty(), "{}: annotation {} has no segmentation; ray targets need masks",
                 image.file_name, annotation.id);
        picture.objects.push_back(a);
      }
    }
    const bool wide = image.width > image.height;
    groups_[wide ? 1 : 0].push_back(size());
    landscape_.push_back(wide);
    pictures_.push_back(std::move(picture));
  }
  AZ_CHECK(!pictures_.empty(), "{}: no picture has an annotation and sides of {} pixels or more", folder_.string(),
           options.filter.min_picture_side);
}

std::vector<std::string> PolarData::classes() const {
  std::vector<std::string> names;
  for (const CocoCategory& category : dataset_.categories) names.push_back(category.name);
  return names;
}

std::filesystem::path PolarData::file_of(const CocoImage& image) const { return folder_ / image.file_name; }

PolarSample PolarData::sample(int64_t index, int64_t epoch) const {
  AZ_CHECK(index >= 0 && index < size(), "polar data: picture {} of {}", index, size());
  const auto stream = [&](Purpose purpose) {
    return Rng(options_.seed, purpose, static_cast<uint64_t>(index), static_cast<uint64_t>(epoch));
  };
  Rng scale_rng = stream(Purpose::scale);
  Rng rng = stream(Purpose::augment);
  const ImageSize scale = pick_scale(options_.input.scale, scale_rng);
  const std::vector<int64_t>& group = groups_[landscape_[static_cast<size_t>(index)] ? 1 : 0];
  for (int tries = 0; tries < kMaxReplacements; ++tries) {
    if (auto sample = prepare(pictures_[static_cast<size_t>(index)], scale, rng)) return *std::move(sample);
    index = group[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(group.size()) - 1))];
  }
  fail("{}: {} pictures in a row have no object to learn; are the annotations of these pictures?", folder_.string(),
       kMaxReplacements);
}

std::optional<PolarSample> PolarData::prepare(const Picture& picture, const ImageSize& scale, Rng& rng) const {
  const CocoImage& image = dataset_.images[picture.image];
  PolarSample sample;
  sample.info = {image.id, file_of(image).string(), {image.width, image.height}, {}};
  const bool flip = rng.chance(options_.flip);
  sample.info.placement = options_.zoom
                              ? zoom_placement(sample.info.original, scale, options_.zoom->rule, rng)
                              : resize_placement(sample.info.original, scale, options_.input.scale.keep_ratio);
  sample.info.placement.flip = flip;
  Stopwatch watch;
  place_objects(picture, sample);
  if (sample.objects.empty() && !options_.keep_empty) return std::nullopt;
  if (options_.ignore_crowd) place_crowds(picture, sample);
  sample.times.masks = watch.lap_ms();

  ReducedImage read =
      read_reduced_image(sample.info.file, options_.jpeg_scale ? sample.info.placement.resized : ImageSize{});
  AZ_CHECK(read.original == sample.info.original, "{}: the picture is {} x {}, but its annotations are for {} x {}",
           sample.info.file, read.original.width, read.original.height, image.width, image.height);
  sample.picture = std::move(read.image);
  sample.picture_divisor = read.divisor;
  sample.times.decode = watch.lap_ms();
  return sample;
}

void PolarData::place_objects(const Picture& picture, PolarSample& sample) const {
  const Placement& placement = sample.info.placement;
  Describer describe(placement.window);
  for (const uint32_t a : picture.objects) {
    const CocoAnnotation& annotation = dataset_.annotations[a];
    const ObjectMask mask = mask_from_runs(dataset_.mask_of(annotation));
    if (mask.count() < options_.filter.min_pixels) continue;
    PlacedMask placed = place_mask(mask, sample.info.original, placement);
    const int64_t left = placed.mask.count();
    if (placed.resized_pixels == 0) {
      ++sample.counts.vanished;
      continue;
    }
    if (left == 0 || (options_.zoom && (left < options_.zoom->min_pixels ||
                                        static_cast<double>(left) <
                                            options_.zoom->min_share * static_cast<double>(placed.resized_pixels)))) {
      ++sample.counts.cut;
      continue;
    }
    cpu::ObjectShape shape = describe(placed.mask);
    ++sample.counts.learnt;
    if (shape.components > 1) {
      ++sample.counts.multi_part;
      sample.counts.pixels += shape.pixels;
      sample.counts.lost_pixels += shape.pixels - shape.kept_pixels;
    }
    const auto label = static_cast<int32_t>(*dataset_.find_category(annotation.category_id)) + 1;
    sample.objects.push_back({std::move(shape), place_box(corners(annotation.bbox), placement), label});
    sample.masks.push_back(std::move(placed.mask));
  }
}

void PolarData::place_crowds(const Picture& picture, PolarSample& sample) const {
  for (const uint32_t a : picture.crowds) {
    const ObjectMask mask = mask_from_runs(dataset_.mask_of(dataset_.annotations[a]));
    sample.crowds.push_back(place_mask(mask, sample.info.original, sample.info.placement).mask);
  }
}

PolarBatch PolarData::batch(std::span<const int64_t> indices, int64_t epoch, Device& host, TargetsOn targets) const {
  std::vector<PolarSample> samples;
  samples.reserve(indices.size());
  for (const int64_t index : indices) {
    const ProfileSpan span(host, "decode and augment");
    samples.push_back(sample(index, epoch));
  }
  return polar_batch(samples, options_, host, targets);
}

}  // namespace az::data
