#include "models/polarmask/detector.h"

#include "autograd/node.h"
#include "models/polarmask/data_options.h"
#include "tensor/error.h"

namespace az::models {
namespace {

polarmask::PostprocessOptions make_options(const PolarMaskConfig& config, int64_t classes) {
  const PolarTestConfig& t = config.test;
  return {.classes = static_cast<int>(classes),
          .rays = static_cast<int>(config.model.head.rays),
          .nms_pre = t.nms_pre,
          .score_threshold = static_cast<float>(t.score_threshold),
          .nms_iou = static_cast<float>(t.nms_iou),
          .max_per_image = t.max_per_image,
          .center_bias = static_cast<float>(t.center_bias),
          .mask_nms = t.mask_nms,
          .round_vertices = t.round_vertices};
}

std::span<const float> values(const Tensor& t) { return {t.data<float>(), static_cast<size_t>(t.numel())}; }

}  // namespace

PreparedImage prepare_image(const data::Image& image, const PolarDataConfig& config, Device& host) {
  data::PictureInfo info;
  PreparedImage prepared;
  prepared.pixels = data::polar_input(image, test_input_options(config), host, info);
  prepared.geometry = {info.placement.resized.width,
                       info.placement.resized.height,
                       info.placement.scale_x,
                       info.placement.scale_y,
                       image.width,
                       image.height};
  return prepared;
}

PolarDetector::PolarDetector(PolarMask& network, const PolarMaskConfig& config, int64_t classes, Device& device)
    : network_(network), config_(config), options_(make_options(config, classes)), device_(device) {}

std::vector<Instance> PolarDetector::detect(const PreparedImage& image) {
  const autograd::NoGrad off;
  const StepScope scope(device_.allocator(),
                        static_cast<uint64_t>(image.pixels.dim(1)) << 32 | static_cast<uint64_t>(image.pixels.dim(2)));
  const PolarOutputs out = network_.forward(image.pixels.to(device_));
  std::vector<polarmask::LevelOutputs> levels;
  for (size_t i = 0; i < out.classes.size(); ++i)
    levels.push_back({.height = static_cast<int>(out.classes[i].dim(1)),
                      .width = static_cast<int>(out.classes[i].dim(2)),
                      .stride = config_.labels.strides[i],
                      .cls = values(out.classes[i]),
                      .centerness = values(out.centerness[i]),
                      .box = out.boxes.empty() ? std::span<const float>() : values(out.boxes[i]),
                      .rays = values(out.rays[i])});
  const auto found = polarmask::postprocess(levels, image.geometry, options_);

  std::vector<std::array<double, 2>> centres;  // of every location, in the picture
  for (const auto& level : levels)
    for (int y = 0; y < level.height; ++y)
      for (int x = 0; x < level.width; ++x)
        centres.push_back({(x * level.stride + level.stride / 2) / double(image.geometry.scale_x),
                           (y * level.stride + level.stride / 2) / double(image.geometry.scale_y)});
  std::vector<Instance> instances(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    Instance& one = instances[i];
    const math::Box& b = found.box[i];
    one.label = found.label[i];
    one.score = found.score[i];
    one.box = {b.x1, b.y1, double(b.x2) - double(b.x1) + 1, double(b.y2) - double(b.y1) + 1};
    const auto polygon = found.polygon_of(i);
    for (size_t k = 0; k < polygon.size(); k += 2) one.polygon.push_back({polygon[k], polygon[k + 1]});
    one.centre = centres[static_cast<size_t>(found.location[i])];
    one.mask = polarmask::polygon_mask(polygon, image.geometry, options_.round_vertices);
  }
  return instances;
}

}  // namespace az::models
