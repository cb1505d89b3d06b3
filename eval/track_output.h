// What `azimuth track` leaves of a sequence: label maps, boxes and rotated boxes as text and JSON, an overlay video.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/video.h"
#include "eval/vos_meter.h"
#include "models/siammask/tracker.h"

namespace az::eval {

/// What an image model said of an object in the first frame.
struct TrackDetection {
  std::string name;  ///< of its class
  double score = 0;  ///< the model's own, which may exceed 1
};

struct TrackOutputOptions {
  std::filesystem::path out;    ///< folder for masks/NAME.png, boxes*.txt, rotated*.txt, track.json; empty: none
  std::filesystem::path video;  ///< overlay; empty: none
  double frames_per_second = 25;
  double seg_thr = 0.3;
  std::vector<std::optional<TrackDetection>> detected;  ///< one an object, or empty: none of them was detected
};

/// An object in a frame, as it is written.
struct TrackLine {
  std::array<double, 4> box{};  ///< x, y, w, h
  models::Corners corners{};
  double score = 0;  ///< 1 where it was given
};

class TrackOutput {
 public:
  /// Error: a folder that cannot be made; `detected` of another number of objects.
  TrackOutput(const TrackOutputOptions& options, size_t objects);
  ~TrackOutput();

  /// A frame: one line an object, and the objects' masks (labels 1, 2, …).
  void add(const std::string& name, const data::Image& frame, const std::vector<TrackLine>& lines,
           const MaskFusion& masks);
  /// Writes the texts, the JSON and the video's end; with no frame added there is none.
  void finish();

 private:
  const TrackDetection* detected(size_t object) const;
  void draw(const data::Image& frame, const std::vector<TrackLine>& lines, const std::vector<uint8_t>& labels);
  std::string json() const;

  TrackOutputOptions options_;
  size_t objects_;
  int width_ = 0, height_ = 0;
  std::vector<std::string> names_;
  std::vector<TrackLine> lines_;  // [frame, object]
  std::vector<uint8_t> labels_;
  std::unique_ptr<data::VideoWriter> video_;
};

}  // namespace az::eval
