#include "models/polarmask/device_postprocess.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/nms.h"
#include "cuda/polar_detect.h"
#include "cuda/topk.h"
#include "ops/cast.h"
#include "tensor/error.h"

namespace az::models::polarmask {
namespace {

/// The most candidates of an image: the suppression holds one bit of each in shared memory.
constexpr int kMostCandidates = 1 << 18;

int limit_of(const PostprocessOptions& options) { return std::max(options.max_per_image, 0); }

void check_outputs(const PolarOutputs& out, const PostprocessOptions& o, size_t levels, int images) {
  AZ_CHECK(out.classes.size() == levels && out.centerness.size() == levels && out.rays.size() == levels &&
               (out.boxes.empty() || out.boxes.size() == levels),
           "postprocess: outputs of {} levels, strides of {}", out.classes.size(), levels);
  for (size_t l = 0; l < levels; ++l) {
    const Tensor& cls = out.classes[l];
    const auto fits = [&](const Tensor& t, int64_t channels) {
      return t.rank() == 4 && t.dim(0) == images && t.dim(1) == cls.dim(1) && t.dim(2) == cls.dim(2) &&
             t.dim(3) == channels && t.numel() > 0;
    };
    AZ_CHECK(fits(cls, o.classes) && fits(out.centerness[l], 1) && fits(out.rays[l], o.rays) &&
                 (out.boxes.empty() || fits(out.boxes[l], 4)) && out.centerness[l].dtype() == cls.dtype(),
             "postprocess: level {} has classes {}, centerness {}, rays {}, boxes {}; want {} images, {} classes and "
             "{} rays",
             l, cls.str(), out.centerness[l].str(), out.rays[l].str(), out.boxes.empty() ? "none" : out.boxes[l].str(),
             images, o.classes, o.rays);
  }
}

/// A tensor for 32-bit words of any kind, and the pointer to them.
template <class T>
T* words(Tensor& keep, int64_t count, Device& device) {
  static_assert(alignof(T) <= 16);
  keep = Tensor::empty({(count * static_cast<int64_t>(sizeof(T)) + 3) / 4}, DType::i32, device);
  return static_cast<T*>(keep.mutable_raw());
}

Detections read_detections(std::span<const int32_t> words, int rays) {
  Detections found;
  found.rays = rays;
  const auto row_words = static_cast<size_t>(cuda::polar_row_words(rays));
  for (size_t d = 0; d < static_cast<size_t>(words[0]); ++d) {
    const auto row = words.subspan(1 + d * row_words, row_words);
    const auto value = [&](size_t k) { return std::bit_cast<float>(row[k]); };
    found.label.push_back(row[0]);
    found.location.push_back(row[1]);
    found.score.push_back(value(2));
    found.box.push_back({value(3), value(4), value(5), value(6)});
    for (size_t k = 7; k < row_words; ++k) found.polygon.push_back(value(k));
  }
  return found;
}

}  // namespace

DevicePostprocess::DevicePostprocess(const PostprocessOptions& options, std::vector<int> strides, int images,
                                     Device& device)
    : options_(options), strides_(std::move(strides)), images_(images), device_(device) {
  AZ_CHECK(cuda::kBuilt && device.kind() == DeviceKind::cuda, "postprocess: no kernels for {}", device.name());
  AZ_CHECK(options.classes > 0 && options.rays >= 3 && options.rays <= 360 && images > 0 && !strides_.empty() &&
               strides_.size() <= static_cast<size_t>(cuda::PolarMaps<float>::kMost),
           "postprocess: {} classes, {} rays, {} images and {} levels; want at least 1, 3 to 360, at least 1 and 1 to "
           "{}",
           options.classes, options.rays, images, strides_.size(), cuda::PolarMaps<float>::kMost);
  std::vector<float> directions;
  for (int k = 0; k < options.rays; ++k) {
    const math::Direction ray = math::ray_direction(k, options.rays);
    directions.insert(directions.end(), {ray.x, ray.y});
  }
  directions_ = Tensor::from(directions, {options.rays, 2}, device);
  frames_ = Tensor::zeros({images, 4}, DType::f32, device);
  result_ = Tensor::zeros({images, cuda::polar_result_words(options.rays, limit_of(options))}, DType::i32, device);
}

void DevicePostprocess::set_geometry(std::span<const ImageGeometry> pictures) {
  AZ_CHECK(pictures.size() == static_cast<size_t>(images_), "postprocess: {} pictures for {} images", pictures.size(),
           images_);
  std::vector<math::PolarFrame> frames;
  for (const ImageGeometry& picture : pictures) frames.push_back(frame_of(picture));
  device_.copy_from_host(frames_.mutable_raw(), frames.data(), frames_.bytes());
}

void DevicePostprocess::enqueue(const PolarOutputs& outputs) {
  check_outputs(outputs, options_, strides_.size(), images_);
  if (outputs.classes[0].dtype() == DType::bf16)
    enqueue_as<bf16>(outputs);
  else
    enqueue_as<float>(outputs);
}

template <class T>
void DevicePostprocess::enqueue_as(const PolarOutputs& outputs) {
  if constexpr (cuda::kBuilt) {
    cuda::Stream& stream = cuda::device_of(device_).stream();
    cuda::PolarMaps<T> maps;
    maps.levels = static_cast<int>(strides_.size());
    maps.images = images_;
    maps.classes = options_.classes;
    maps.rays = options_.rays;
    cuda::TopkRuns runs;
    std::vector<Tensor> lengths;  // distances are f32 whatever the network computes in
    const auto in_f32 = [&](const Tensor& t) { return lengths.emplace_back(ops::cast(t, DType::f32)).data<float>(); };
    for (size_t l = 0; l < strides_.size(); ++l) {
      const Tensor& cls = outputs.classes[l];
      const auto count = static_cast<int>(cls.dim(1) * cls.dim(2));
      maps.level[l] = {cls.data<T>(),
                       outputs.centerness[l].data<T>(),
                       outputs.boxes.empty() ? nullptr : in_f32(outputs.boxes[l]),
                       in_f32(outputs.rays[l]),
                       maps.locations,
                       count,
                       static_cast<int>(cls.dim(2)),
                       strides_[l]};
      maps.locations += count;
      runs.add(count, options_.nms_pre);
    }
    const int slots = runs.chosen(), limit = limit_of(options_);
    AZ_CHECK(slots <= kMostCandidates && int64_t{slots} * options_.classes <= std::numeric_limits<int32_t>::max(),
             "postprocess: {} candidates of {} classes are too many; set nms_pre", slots, options_.classes);

    const cuda::NmsShape shape{images_, options_.classes, slots, limit, options_.nms_iou, /*extra=*/1};
    const cuda::PolarScoring scoring{hopeless_logit(options_.score_threshold), options_.score_threshold,
                                     options_.center_bias};
    Tensor keep[8];
    const int64_t candidates = int64_t{images_} * slots;
    auto* rank = words<float>(keep[0], int64_t{images_} * maps.locations, device_);
    auto* chosen = words<int32_t>(keep[1], candidates, device_);
    auto* scratch = words<uint64_t>(keep[2], int64_t{images_} * runs.scratch_row(), device_);
    auto* boxes = words<math::Box>(keep[3], candidates, device_);
    auto* keys = words<uint32_t>(keep[4], candidates * options_.classes, device_);
    auto* workspace = words<char>(keep[5], cuda::nms_workspace_bytes(shape), device_);
    auto* count = words<int32_t>(keep[6], images_, device_);
    auto* picked = words<int32_t>(keep[7], int64_t{images_} * limit * 2, device_);

    cuda::polar_rank<T>(stream, maps, rank);
    cuda::topk(stream, rank, images_, runs, chosen, scratch);
    const cuda::PolarCandidates which{chosen, slots, static_cast<const math::PolarFrame*>(frames_.raw()),
                                      static_cast<const math::Direction*>(directions_.raw())};
    cuda::polar_boxes<T>(stream, maps, which, options_.mask_nms || outputs.boxes.empty(), boxes);
    cuda::polar_keys<T>(stream, maps, which, scoring, keys);
    cuda::class_nms(stream, keys, boxes, shape, workspace, count, picked);
    cuda::polar_results<T>(stream, maps, which, boxes, scoring, count, picked, limit, result_.mutable_data<int32_t>());
  }
}

std::vector<Detections> DevicePostprocess::fetch() const {
  const std::vector<int32_t> words = result_.to_vector<int32_t>();
  const size_t width = words.size() / static_cast<size_t>(images_);
  std::vector<Detections> found;
  for (size_t i = 0; i < static_cast<size_t>(images_); ++i)
    found.push_back(read_detections(std::span(words).subspan(i * width, width), options_.rays));
  return found;
}

}  // namespace az::models::polarmask
