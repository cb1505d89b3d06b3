#include "eval/track_output.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "data/label_map.h"
#include "eval/overlay.h"
#include "eval/pen.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::eval {

namespace fs = std::filesystem;

TrackOutput::TrackOutput(const TrackOutputOptions& options, size_t objects) : options_(options), objects_(objects) {
  AZ_CHECK(options.detected.empty() || options.detected.size() == objects, "track output: {} detections of {} objects",
           options.detected.size(), objects);
  if (options.out.empty()) return;
  std::error_code failed;
  fs::create_directories(options.out / "masks", failed);
  AZ_CHECK(!failed, "{}: cannot be made: {}", options.out.string(), failed.message());
}

TrackOutput::~TrackOutput() = default;

void TrackOutput::add(const std::string& name, const data::Image& frame, const std::vector<TrackLine>& lines,
                      const MaskFusion& masks) {
  width_ = frame.width;
  height_ = frame.height;
  if (!options_.out.empty() || !options_.video.empty()) masks.labels(options_.seg_thr, labels_);
  if (!options_.out.empty()) {
    names_.push_back(name);
    lines_.insert(lines_.end(), lines.begin(), lines.end());
    data::write_label_map(options_.out / "masks" / (name + ".png"), {width_, height_, labels_});
  }
  if (!options_.video.empty()) draw(frame, lines, labels_);
}

const TrackDetection* TrackOutput::detected(size_t object) const {
  const bool known = !options_.detected.empty() && options_.detected[object].has_value();
  return known ? &*options_.detected[object] : nullptr;
}

void TrackOutput::draw(const data::Image& frame, const std::vector<TrackLine>& lines,
                       const std::vector<uint8_t>& labels) {
  if (!video_)
    video_ = std::make_unique<data::VideoWriter>(options_.video, data::ImageSize{frame.width, frame.height},
                                                 options_.frames_per_second);
  std::vector<OverlayItem> items;
  for (size_t object = 0; object < lines.size(); ++object) {
    OverlayItem item;
    const TrackDetection* found = detected(object);
    item.name = found ? fmt::format("{} {}", object + 1, found->name) : fmt::format("{}", object + 1);
    item.score = lines[object].score;
    item.category = static_cast<int>(object);
    item.box = lines[object].box;
    cpu::Mask mask{frame.height, frame.width, std::vector<uint8_t>(labels.size())};
    for (size_t i = 0; i < labels.size(); ++i) mask.pixels[i] = labels[i] == object + 1;
    item.mask = std::move(mask);
    items.push_back(std::move(item));
  }
  data::Image picture = draw_overlay(frame, items, {.colour_by = ColourBy::category});
  for (size_t object = 0; object < lines.size(); ++object)
    for (size_t k = 0; k < 4; ++k)
      draw_line(picture, lines[object].corners[k], lines[object].corners[(k + 1) % 4], 2,
                overlay_colour(static_cast<int>(object)));
  video_->add(picture);
}

std::string TrackOutput::json() const {
  nlohmann::ordered_json all{{"width", width_}, {"height", height_}, {"frames", names_}};
  for (size_t object = 0; object < objects_; ++object) {
    nlohmann::ordered_json one{{"label", object + 1}};
    if (const TrackDetection* found = detected(object)) {
      one["class"] = found->name;
      one["detection_score"] = found->score;
    }
    for (size_t frame = 0; frame < names_.size(); ++frame) {
      const TrackLine& line = lines_[frame * objects_ + object];
      one["boxes"].push_back(line.box);
      one["rotated"].push_back(line.corners);
      one["scores"].push_back(line.score);
    }
    all["objects"].push_back(std::move(one));
  }
  return all.dump() + "\n";
}

void TrackOutput::finish() {
  if (video_) video_->finish();
  if (options_.out.empty() || names_.empty()) return;
  for (size_t object = 0; object < objects_; ++object) {
    std::string boxes, rotated;
    for (size_t frame = 0; frame < names_.size(); ++frame) {
      const TrackLine& l = lines_[frame * objects_ + object];
      boxes += fmt::format("{:.4f},{:.4f},{:.4f},{:.4f}\n", l.box[0], l.box[1], l.box[2], l.box[3]);
      for (size_t k = 0; k < 4; ++k)
        rotated += fmt::format("{:.4f},{:.4f}{}", l.corners[k][0], l.corners[k][1], k == 3 ? "\n" : ",");
    }
    const std::string number = objects_ == 1 ? "" : fmt::format("_{}", object + 1);
    write_file(options_.out / ("boxes" + number + ".txt"), boxes);
    write_file(options_.out / ("rotated" + number + ".txt"), rotated);
  }
  write_file(options_.out / "track.json", json());
}

}  // namespace az::eval
