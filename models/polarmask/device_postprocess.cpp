#include "models/polarmask/device_postprocess.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/nms.h"
#include "cuda/polar_detect.h"
#include "cuda/topk.h"
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
                 (out.boxes.empty() || fits(out.boxes[l], 4)),
             "postprocess: level {} has classes {}, centerness {}, rays {}, boxes {}; want {} images, {} classes and "
             "{} rays",
             l, cls.str(), out.centerness[l].str(), out.rays[l].str(), out.boxes.empty() ? "none" : out.boxes[l].str(),
             images, o.classes, o.rays);
  }
}

cuda::PolarMaps maps_of(const PolarOutputs& out, const std::vector<int>& strides, const PostprocessOptions& options) {
  cuda::PolarMaps maps;
  maps.levels = static_cast<int>(strides.size());
  maps.images = static_cast<int>(out.classes[0].dim(0));
  maps.classes = options.classes;
  maps.rays = options.rays;
  for (size_t l = 0; l < strides.size(); ++l) {
    const auto height = static_cast<int>(out.classes[l].dim(1)), width = static_cast<int>(out.classes[l].dim(2));
    maps.level[l] = {.cls = out.classes[l].data<float>(),
                     .centerness = out.centerness[l].data<float>(),
                     .box = out.boxes.empty() ? nullptr : out.boxes[l].data<float>(),
                     .rays = out.rays[l].data<float>(),
                     .first = maps.locations,
                     .count = height * width,
                     .width = width,
                     .stride = strides[l]};
    maps.locations += height * width;
  }
  return maps;
}

/// Device memory of the step.
template <class T>
struct Buffer {
  Tensor keep;
  T* data;
  Buffer(int64_t count, Device& device)
      : keep(Tensor::empty({count * static_cast<int64_t>(sizeof(T))}, DType::u8, device)),
        data(static_cast<T*>(keep.mutable_raw())) {}
};

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
               strides_.size() <= static_cast<size_t>(cuda::PolarMaps::kMost),
           "postprocess: {} classes, {} rays, {} images and {} levels; want at least 1, 3 to 360, at least 1 and 1 to "
           "{}",
           options.classes, options.rays, images, strides_.size(), cuda::PolarMaps::kMost);
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
  if constexpr (cuda::kBuilt) {
    cuda::Stream& stream = cuda::device_of(device_).stream();
    const cuda::PolarMaps maps = maps_of(outputs, strides_, options_);
    cuda::TopkRuns runs;
    for (int l = 0; l < maps.levels; ++l) runs.add(maps.level[l].count, options_.nms_pre);
    const int slots = runs.chosen(), limit = limit_of(options_);
    AZ_CHECK(slots <= kMostCandidates && int64_t{slots} * options_.classes <= std::numeric_limits<int32_t>::max(),
             "postprocess: {} candidates of {} classes are too many; set nms_pre", slots, options_.classes);
    const cuda::NmsShape shape{images_, options_.classes, slots, limit, options_.nms_iou, /*extra=*/1};
    const cuda::PolarScoring scoring{hopeless_logit(options_.score_threshold), options_.score_threshold,
                                     options_.center_bias};

    const int64_t candidates = int64_t{images_} * slots;
    Buffer<float> rank(int64_t{images_} * maps.locations, device_);
    Buffer<int32_t> chosen(candidates, device_);
    Buffer<uint64_t> scratch(int64_t{images_} * runs.scratch_row(), device_);
    Buffer<math::Box> boxes(candidates, device_);
    Buffer<uint32_t> keys(candidates * options_.classes, device_);
    Buffer<char> workspace(cuda::nms_workspace_bytes(shape), device_);
    Buffer<int32_t> count(images_, device_), picked(int64_t{images_} * limit * 2, device_);
    const cuda::PolarCandidates which{chosen.data, slots, static_cast<const math::PolarFrame*>(frames_.raw()),
                                      static_cast<const math::Direction*>(directions_.raw())};

    cuda::polar_rank(stream, maps, rank.data);
    cuda::topk(stream, rank.data, images_, runs, chosen.data, scratch.data);
    cuda::polar_boxes(stream, maps, which, options_.mask_nms || outputs.boxes.empty(), boxes.data);
    cuda::polar_keys(stream, maps, which, scoring, keys.data);
    cuda::class_nms(stream, keys.data, boxes.data, shape, workspace.data, count.data, picked.data);
    cuda::polar_results(stream, maps, which, boxes.data, scoring, count.data, picked.data, limit,
                        result_.mutable_data<int32_t>());
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
