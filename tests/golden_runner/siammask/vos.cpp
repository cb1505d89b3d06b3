// Fusion of several objects and their meter.
#include <nlohmann/json.hpp>

#include "eval/vos_meter.h"
#include "tests/golden_runner/siammask/kinds.h"

namespace az::golden::siammask {
namespace {

using nlohmann::json;

struct Video {
  int frames, height, width, objects;
  std::vector<float> prob;  // [objects, frames, height, width]
  std::vector<uint8_t> annotation;
  size_t pixels() const { return static_cast<size_t>(height) * static_cast<size_t>(width); }

  /// The objects of a frame, as trackers hand them over.
  void fuse(int frame, eval::MaskFusion& fusion) const {
    fusion.begin(width, height);
    for (int o = 0; o < objects; ++o) {
      const auto begin = prob.begin() + (int64_t{o} * frames + frame) * height * width;
      fusion.add(static_cast<uint8_t>(o + 1), {{0, 0, width, height}, {begin, begin + height * width}});
    }
  }
};

std::vector<double> overlaps(const Video& v, std::vector<eval::VosSpan> spans, const std::vector<double>& thresholds) {
  eval::VosMeter meter(std::move(spans), thresholds);
  eval::MaskFusion fusion;
  for (int frame = 0; frame < v.frames; ++frame) {
    if (!meter.wants(frame)) continue;
    v.fuse(frame, fusion);
    meter.add(frame, fusion, {&v.annotation[static_cast<size_t>(frame) * v.pixels()], v.pixels()});
  }
  std::vector<double> flat;
  for (const auto& object : meter.overlaps()) flat.insert(flat.end(), object.begin(), object.end());
  return flat;
}

}  // namespace

void run_vos_meter(const std::filesystem::path& file, Report& report) {
  Case c(file, report);
  const auto& shape = c.tensor("prob").shape;
  const Video video{static_cast<int>(shape.at(1)), static_cast<int>(shape.at(2)), static_cast<int>(shape.at(3)),
                    static_cast<int>(shape.at(0)), c.values<float>("prob"),       c.values<uint8_t>("annotation")};
  const auto thresholds = c.json().at("thresholds").get<std::vector<double>>();
  const std::vector<int64_t> result_shape = {video.objects, static_cast<int64_t>(thresholds.size())};
  c.check("iou",
          overlaps(video, std::vector(static_cast<size_t>(video.objects), eval::vos_span(video.frames)), thresholds),
          result_shape);
  std::vector<eval::VosSpan> spans;
  for (int o = 1; o <= video.objects; ++o) {
    const std::string key = std::to_string(o);
    spans.push_back(
        eval::vos_span(c.json().at("start").at(key).get<int64_t>(), c.json().at("end").at(key).get<int64_t>()));
  }
  c.check("iou_start_end", overlaps(video, spans, thresholds), result_shape);
  for (const auto& [name, tensor] : c.json().at("tensors").items()) {
    const std::string prefix = "labels_at_";
    if (!name.starts_with(prefix)) continue;
    std::vector<uint8_t> all, one;
    eval::MaskFusion fusion;
    for (int frame = 0; frame < video.frames; ++frame) {
      video.fuse(frame, fusion);
      fusion.labels(std::stod(name.substr(prefix.size())), one);
      all.insert(all.end(), one.begin(), one.end());
    }
    c.check(name, all, tensor.at("shape").get<std::vector<int64_t>>());
  }
  c.finish();
}

}  // namespace az::golden::siammask
