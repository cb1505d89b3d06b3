#include "models/polarmask/detector.h"

#include "autograd/node.h"
#include "cpu/device.h"
#include "cpu/ray_labels.h"
#include "models/polarmask/data_options.h"
#include "ops/cast.h"
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

/// Of graphs and of the arena's plans.
uint64_t shape_key(const Tensor& pixels) {
  return static_cast<uint64_t>(pixels.dim(1)) << 32 | static_cast<uint64_t>(pixels.dim(2));
}

/// A location, numbered over all levels, in the picture.
std::array<double, 2> centre_of(int64_t location, std::span<const cpu::LevelGrid> grids,
                                const polarmask::ImageGeometry& geometry) {
  size_t l = 0;
  while (l + 1 < grids.size() && location >= grids[l + 1].first) ++l;
  const cpu::LevelGrid& grid = grids[l];
  const int64_t cell = location - grid.first;
  return {double(math::cell_centre(static_cast<int>(cell % grid.width), grid.stride)) / double(geometry.scale_x),
          double(math::cell_centre(static_cast<int>(cell / grid.width), grid.stride)) / double(geometry.scale_y)};
}

std::span<const float> values(const Tensor& t) { return {t.data<float>(), static_cast<size_t>(t.numel())}; }

/// Changes whenever one of the network's tensors is written to.
uint64_t version_of(nn::Module& network) {
  uint64_t sum = 0;
  for (const nn::Entry& entry : nn::entries(network)) sum += entry.tensor->version();
  return sum;
}

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

PolarDetector::PolarDetector(PolarMask& network, const PolarMaskConfig& config, int64_t classes, Device& device,
                             const DetectorOptions& how)
    : network_(network),
      config_(config),
      options_(make_options(config, classes)),
      device_(device),
      how_(how),
      runner_(std::make_unique<ops::StepRunner>(device, how.graphs)) {
  if (device.kind() == DeviceKind::cpu) return;
  host_ = std::make_unique<cpu::CpuDevice>();
  postprocess_ = std::make_unique<polarmask::DevicePostprocess>(options_, config_.labels.strides, /*images=*/1, device);
}

PolarOutputs PolarDetector::forward(const Tensor& pixels) {
  return network_.forward(how_.activations == DType::f32 ? pixels : ops::cast(pixels, how_.activations));
}

polarmask::Detections PolarDetector::detect_on_host(const PreparedImage& image) {
  polarmask::Detections found;
  runner_->run(shape_key(image.pixels), [&] {
    const PolarOutputs out = forward(image.pixels.to(device_));
    std::vector<polarmask::LevelOutputs> levels;
    for (size_t i = 0; i < out.classes.size(); ++i)
      levels.push_back({.height = static_cast<int>(out.classes[i].dim(1)),
                        .width = static_cast<int>(out.classes[i].dim(2)),
                        .stride = config_.labels.strides[i],
                        .cls = values(out.classes[i]),
                        .centerness = values(out.centerness[i]),
                        .box = out.boxes.empty() ? std::span<const float>() : values(out.boxes[i]),
                        .rays = values(out.rays[i])});
    found = polarmask::postprocess(levels, image.geometry, options_);
  });
  return found;
}

/// What changes from picture to picture is copied to fixed places first; then network and post-processing are launches
/// only; then one copy back.
polarmask::Detections PolarDetector::detect_on_device(const PreparedImage& image) {
  const Tensor& pixels = image.pixels;
  const uint64_t version = version_of(network_);
  const bool larger = !input_.defined() || input_.numel() < pixels.numel();
  // Graphs read the old place, and what the ops made of the old weights (folded norms, packed filters).
  if (larger || version != network_version_) runner_ = std::make_unique<ops::StepRunner>(device_, how_.graphs);
  if (larger) input_ = Tensor::empty({pixels.numel()}, DType::f32, device_);
  network_version_ = version;
  const Tensor input = input_.narrowed(0, pixels.numel()).reshaped(pixels.shape());
  device_.copy_from_host(input_.mutable_raw(), pixels.raw(), pixels.bytes());
  postprocess_->set_geometry({&image.geometry, 1});
  runner_->run(shape_key(pixels), [&] { postprocess_->enqueue(forward(input)); });
  return std::move(postprocess_->fetch().front());
}

std::vector<Instance> PolarDetector::detect(const data::Image& image) {
  return detect(prepare_image(image, config_.data, host_ ? *host_ : device_));
}

std::vector<Instance> PolarDetector::detect(const PreparedImage& image) {
  const autograd::NoGrad off;
  const auto found = postprocess_ ? detect_on_device(image) : detect_on_host(image);
  const auto grids = cpu::level_grids(static_cast<int>(image.pixels.dim(1)), static_cast<int>(image.pixels.dim(2)),
                                      config_.labels.strides);
  std::vector<cpu::Rle> masks = polarmask::polygon_masks(found, image.geometry, options_.round_vertices);
  std::vector<Instance> instances(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    Instance& one = instances[i];
    const math::Box& b = found.box[i];
    one.label = found.label[i];
    one.score = found.score[i];
    one.box = {b.x1, b.y1, double(b.x2) - double(b.x1) + 1, double(b.y2) - double(b.y1) + 1};
    const auto polygon = found.polygon_of(i);
    for (size_t k = 0; k < polygon.size(); k += 2) one.polygon.push_back({polygon[k], polygon[k + 1]});
    one.centre = centre_of(found.location[i], grids, image.geometry);
    one.mask = std::move(masks[i]);
  }
  return instances;
}

}  // namespace az::models
