// Kind postprocess_*: head outputs to detections, polygons and masks.
#include "models/polarmask/postprocess.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "models/polarmask/device_postprocess.h"
#include "tests/golden_runner/polarmask/kinds.h"
#include "tests/support/devices.h"

namespace az::golden::polarmask {
namespace {

namespace pm = models::polarmask;

/// One level's outputs by role, [h, w, c].
struct Level {
  int height = 0, width = 0, stride = 0;
  std::map<std::string, std::vector<float>> outputs;
};

std::vector<float> to_hwc(const std::vector<float>& chw, size_t channels) {
  const size_t plane = chw.size() / channels;
  std::vector<float> hwc(chw.size());
  for (size_t c = 0; c < channels; ++c) {
    for (size_t i = 0; i < plane; ++i) hwc[i * channels + c] = chw[c * plane + i];
  }
  return hwc;
}

std::vector<Level> fill_levels(const Case& golden) {
  std::vector<Level> levels(golden.json().at("level_sizes").size());
  for (const nlohmann::json& input : golden.json().at("input_tensors")) {
    const auto shape = input.at("shape").get<std::vector<int64_t>>();
    Level& level = levels.at(input.at("level").get<size_t>());
    level.stride = input.at("stride").get<int>();
    level.height = static_cast<int>(shape.at(2));
    level.width = static_cast<int>(shape.at(3));
    const auto values = fill(input.at("name").get<std::string>(), shape, input.at("seed").get<uint64_t>(),
                             input.at("offset").get<double>(), input.at("scale").get<double>());
    level.outputs[input.at("role").get<std::string>()] = to_hwc(values, static_cast<size_t>(shape.at(1)));
  }
  const auto index = golden.values<size_t>("hot_index");  // level, class, y, x
  const auto logit = golden.values<float>("hot_logit");
  for (size_t i = 0; i < logit.size(); ++i) {
    Level& level = levels.at(index[i * 4]);
    std::vector<float>& cls = level.outputs.at("cls");
    const size_t classes = cls.size() / (static_cast<size_t>(level.height) * static_cast<size_t>(level.width));
    cls.at((index[i * 4 + 2] * static_cast<size_t>(level.width) + index[i * 4 + 3]) * classes + index[i * 4 + 1]) =
        logit[i];
  }
  return levels;
}

pm::PostprocessOptions options_of(const nlohmann::json& json, const std::vector<Level>& levels) {
  const nlohmann::json& test = json.at("test_cfg");
  const Level& level = levels.front();
  pm::PostprocessOptions options;
  options.classes = json.at("num_classes").get<int>() - 1;
  options.rays = static_cast<int>(level.outputs.at("mask").size()) / (level.height * level.width);
  options.nms_pre = test.at("nms_pre").get<int>();
  options.score_threshold = test.at("score_thr").get<float>();
  options.nms_iou = test.at("nms_iou").get<float>();
  options.max_per_image = test.at("max_per_img").get<int>();
  options.center_bias = test.at("centerness_offset").get<float>();
  options.mask_nms = json.at("mask_nms").get<bool>();
  return options;
}

pm::ImageGeometry geometry_of(const nlohmann::json& json) {
  const auto input = json.at("img_shape").get<std::vector<int>>();
  const auto original = json.at("ori_shape").get<std::vector<int>>();
  const auto scale = json.at("scale_factor").get<std::vector<float>>();
  return {input.at(1), input.at(0), scale.at(0), scale.at(1), original.at(1), original.at(0)};
}

/// A role's values of a level; empty where the case has none.
std::span<const float> role_of(const Level& level, const char* role) {
  const auto found = level.outputs.find(role);
  return found == level.outputs.end() ? std::span<const float>() : std::span<const float>(found->second);
}

pm::Detections on_host(const std::vector<Level>& levels, const pm::ImageGeometry& geometry,
                       const pm::PostprocessOptions& options) {
  std::vector<pm::LevelOutputs> outputs;
  for (const Level& level : levels)
    outputs.push_back({level.height, level.width, level.stride, role_of(level, "cls"), role_of(level, "ctr"),
                       role_of(level, "box"), role_of(level, "mask")});
  return pm::postprocess(outputs, geometry, options);
}

pm::Detections on_device(const std::vector<Level>& levels, const pm::ImageGeometry& geometry,
                         const pm::PostprocessOptions& options, Device& device) {
  models::PolarOutputs outputs;
  std::vector<int> strides;
  for (const Level& level : levels) {
    const auto tensor = [&](const char* role) {
      const auto values = role_of(level, role);
      return Tensor::from(
          values, {1, level.height, level.width, static_cast<int64_t>(values.size()) / (level.height * level.width)},
          device);
    };
    strides.push_back(level.stride);
    outputs.classes.push_back(tensor("cls"));
    outputs.centerness.push_back(tensor("ctr"));
    outputs.rays.push_back(tensor("mask"));
    if (!role_of(level, "box").empty()) outputs.boxes.push_back(tensor("box"));
  }
  pm::DevicePostprocess post(options, strides, /*images=*/1, device);
  post.set_geometry({&geometry, 1});
  post.enqueue(outputs);
  return post.fetch().front();
}

void check_detections(Case& golden, const pm::Detections& found, const pm::ImageGeometry& geometry) {
  const auto n = static_cast<int64_t>(found.size());
  std::vector<double> boxes, polygons;
  std::vector<cpu::Rle> masks;
  std::vector<bool> vertices_agree;
  const auto expected = golden.values<float>("det_polygons");  // [n, 2, rays]
  for (size_t i = 0; i < found.size(); ++i) {
    const math::Box& box = found.box[i];
    boxes.insert(boxes.end(), {box.x1, box.y1, box.x2, box.y2});
    const std::span<const float> polygon = found.polygon_of(i);
    const size_t rays = polygon.size() / 2;
    bool agree = expected.size() == found.polygon.size();
    for (size_t row = 0; row < 2; ++row) {
      for (size_t k = 0; k < rays; ++k) {
        const float own = polygon[k * 2 + row];
        polygons.push_back(own);
        agree = agree && static_cast<int>(own) == static_cast<int>(expected[(i * 2 + row) * rays + k]);
      }
    }
    masks.push_back(pm::polygon_mask(polygon, geometry));
    vertices_agree.push_back(agree);
  }
  golden.check("det_labels", found.label, {n});
  golden.check("det_scores", found.score, {n});
  golden.check("det_boxes", boxes, {n, 4});
  golden.check("det_polygons", polygons, {n, 2, found.rays});
  golden.check_masks("mask", masks, vertices_agree);
}

}  // namespace

void run_postprocess(const std::filesystem::path& json_file, Report& report) {
  Case golden(json_file, report);
  const std::vector<Level> levels = fill_levels(golden);
  const pm::ImageGeometry geometry = geometry_of(golden.json());
  const pm::PostprocessOptions options = options_of(golden.json(), levels);
  for (Device* device : test::devices())
    check_detections(golden,
                     device->kind() == DeviceKind::cpu ? on_host(levels, geometry, options)
                                                       : on_device(levels, geometry, options, *device),
                     geometry);
  golden.finish();
}

}  // namespace az::golden::polarmask
