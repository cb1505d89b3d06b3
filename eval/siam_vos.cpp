#include "eval/siam_vos.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "data/frames.h"
#include "data/label_map.h"
#include "data/stopwatch.h"
#include "tensor/error.h"

namespace az::eval {
namespace {

namespace fs = std::filesystem;

struct Object {
  uint8_t label = 0;
  int64_t start = 0, end = 0;  // first frame, and the last in which it is annotated
};

/// The annotation of a frame; all labels one where the protocol says so.
data::LabelMap annotation_of(const fs::path& file, VosProtocol protocol) {
  data::LabelMap map = data::read_label_map(file);
  if (protocol == VosProtocol::davis2016)
    for (uint8_t& label : map.labels) label = label ? 1 : 0;
  return map;
}

std::vector<Object> find_objects(const data::VosVideo& video, VosProtocol protocol) {
  std::vector<Object> objects;
  bool first = true;
  for (size_t frame = 0; frame < video.frames.size(); ++frame) {
    if (video.annotations[frame].empty()) continue;
    std::array<bool, 256> present{};
    for (const uint8_t label : annotation_of(video.annotations[frame], protocol).labels) present[label] = true;
    for (size_t label = 1; label < 255; ++label) {  // 255 marks pixels that do not count
      if (!present[label]) continue;
      const auto known = std::ranges::find(objects, static_cast<uint8_t>(label), &Object::label);
      if (known != objects.end())
        known->end = static_cast<int64_t>(frame);
      else if (first || protocol == VosProtocol::youtube_vos)
        objects.push_back({static_cast<uint8_t>(label), static_cast<int64_t>(frame), static_cast<int64_t>(frame)});
    }
    first = false;
  }
  AZ_CHECK(!objects.empty(), "{}: its annotation has no object", video.name);
  return objects;
}

std::vector<VosSpan> spans_of(const std::vector<Object>& objects, size_t frames, VosProtocol protocol) {
  std::vector<VosSpan> spans;
  for (const Object& o : objects)
    spans.push_back(protocol == VosProtocol::youtube_vos ? vos_span(o.start, o.end)
                                                         : vos_span(static_cast<int64_t>(frames)));
  return spans;
}

/// One video being tracked.
class VideoRun {
 public:
  VideoRun(models::SiamMask& network, const data::VosVideo& video, Device& device, const VosOptions& options)
      : video_(video),
        options_(options),
        objects_(find_objects(video, options.protocol)),
        tracker_(network, std::vector(objects_.size(), options.track), device, options.step),
        meter_(spans_of(objects_, video.frames.size(), options.protocol), options.thresholds) {}

  VosVideoScores run(TrackTime& time) {
    data::Frames frames(video_.frames);
    if (!options_.out.empty()) fs::create_directories(options_.out / video_.name);
    data::Image frame;
    for (int64_t index = 0; frames.next(frame); ++index) step(index, frame, time);
    VosVideoScores scores{video_.name, {}, meter_.overlaps()};
    for (const Object& o : objects_) scores.objects.push_back(o.label);
    return scores;
  }

 private:
  void step(int64_t index, const data::Image& frame, TrackTime& time) {
    const fs::path& file = video_.annotations[static_cast<size_t>(index)];
    const bool starts = std::ranges::any_of(objects_, [&](const Object& o) { return o.start == index; });
    if (!file.empty() && (starts || meter_.wants(index))) {
      truth_ = annotation_of(file, options_.protocol);
      AZ_CHECK(truth_.width == frame.width && truth_.height == frame.height,
               "{}: a label map of {} x {} for a frame of {} x {}", file.string(), truth_.width, truth_.height,
               frame.width, frame.height);
    }
    data::Stopwatch watch;
    if (std::ranges::any_of(objects_, [&](const Object& o) { return o.start < index; })) {
      tracker_.track(frame);
      ++time.frames;
    }
    fusion_.begin(frame.width, frame.height);
    for (size_t lane = 0; lane < objects_.size(); ++lane) add(lane, index, frame);
    time.tracking += watch.lap_ms() / 1000;
    if (!options_.out.empty()) write(index);
    if (!file.empty() && meter_.wants(index)) meter_.add(index, fusion_, numbered(truth_.labels));
  }

  void add(size_t lane, int64_t index, const data::Image& frame) {
    const Object& object = objects_[lane];
    const auto number = static_cast<uint8_t>(lane + 1);
    if (object.start < index) fusion_.add(number, tracker_.mask(lane));
    if (object.start != index) return;
    mask_.resize(truth_.labels.size());
    std::ranges::transform(truth_.labels, mask_.begin(), [&](uint8_t l) { return uint8_t{l == object.label}; });
    tracker_.start(lane, frame, box_of_mask({mask_.data(), frame.height, frame.width, frame.width}));
    fusion_.add(number, mask_.data(), 1);
  }

  /// The annotation's labels as the objects' numbers.
  const std::vector<uint8_t>& numbered(const std::vector<uint8_t>& labels) {
    std::array<uint8_t, 256> numbers{};
    for (size_t lane = 0; lane < objects_.size(); ++lane)
      numbers[objects_[lane].label] = static_cast<uint8_t>(lane + 1);
    mask_.resize(labels.size());
    std::ranges::transform(labels, mask_.begin(), [&](uint8_t l) { return numbers[l]; });
    return mask_;
  }

  void write(int64_t index) {
    data::LabelMap map{fusion_.width(), fusion_.height(), {}};
    fusion_.labels(options_.track.seg_thr, map.labels);
    for (uint8_t& l : map.labels)
      if (l) l = objects_[l - 1U].label;
    data::write_label_map(
        options_.out / video_.name / (video_.frames[static_cast<size_t>(index)].stem().string() + ".png"), map);
  }

  const data::VosVideo& video_;
  const VosOptions& options_;
  std::vector<Object> objects_;
  models::SiamTracker tracker_;
  VosMeter meter_;
  MaskFusion fusion_;
  data::LabelMap truth_;
  std::vector<uint8_t> mask_;
};

}  // namespace

VosProtocol parse_vos_protocol(const std::string& name) {
  if (name == "davis2016") return VosProtocol::davis2016;
  if (name == "davis2017") return VosProtocol::davis2017;
  if (name == "youtube-vos") return VosProtocol::youtube_vos;
  fail("'{}' is no protocol, want davis2016, davis2017 or youtube-vos", name);
}

double VosScores::best() const {
  double best = std::numeric_limits<double>::quiet_NaN();
  for (const double m : means)
    if (!(m <= best)) best = m;
  return best;
}

VosScores track_vos(models::SiamMask& network, const std::vector<data::VosVideo>& videos, Device& device,
                    const VosOptions& options, TrackTime& time, const SequenceProgress& progress) {
  AZ_CHECK(network.options().mask_side > 0,
           "the network has no masks; object segmentation needs the base or sharp one");
  VosScores scores{options.thresholds, std::vector<double>(options.thresholds.size(), 0), {}};
  size_t counted = 0;
  data::Stopwatch watch;
  for (const data::VosVideo& video : videos) {
    scores.videos.push_back(VideoRun(network, video, device, options).run(time));
    for (const auto& object : scores.videos.back().overlaps) {
      if (std::isnan(object[0])) continue;
      ++counted;
      for (size_t t = 0; t < object.size(); ++t) scores.means[t] += object[t];
    }
    if (progress) progress(video.name, scores.videos.size(), videos.size());
  }
  time.seconds += watch.lap_ms() / 1000;
  for (double& mean : scores.means)
    mean = counted > 0 ? mean / static_cast<double>(counted) : std::numeric_limits<double>::quiet_NaN();
  return scores;
}

cpu::InitialBox box_of_mask(const cpu::MaskView& mask) {
  const cpu::Rect r = cpu::bounding_rect(mask);
  AZ_CHECK(r.width > 0, "the mask has no pixel of the object");
  return {r.x + r.width / 2.0, r.y + r.height / 2.0, double(r.width), double(r.height)};
}

}  // namespace az::eval
