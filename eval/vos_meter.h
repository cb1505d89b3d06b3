// Several objects' mask probabilities as one label map, and its overlap with an annotation (foolwood/SiamMask
// tools/test.py track_vos and MultiBatchIouMeter; specs/siammask.md section 13).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cpu/mask_paste.h"

namespace az::eval {

/// The thresholds that the reference scores.
inline constexpr double kVosThresholds[] = {0.3, 0.35, 0.4, 0.45};

/// For each pixel the object with the highest probability, the first of equal ones. In the same memory for every frame.
class MaskFusion {
 public:
  /// Forgets the objects. At least one pixel.
  void begin(int width, int height);
  /// An object's probabilities; it has -1 outside the window.
  void add(uint8_t label, const cpu::PastedMask& mask);
  /// A given mask [height, width]: 1 where it is `value`, else 0.
  void add(uint8_t label, const uint8_t* mask, uint8_t value);
  /// [height, width]: the object's label where its probability is above the threshold, else 0.
  void labels(double threshold, std::vector<uint8_t>& out) const;

  int width() const { return width_; }
  int height() const { return height_; }

 private:
  int width_ = 0, height_ = 0;
  std::vector<float> best_;
  std::vector<uint8_t> label_;
};

/// First and last frame that an object's figure begins and ends behind; the reference leaves out the first and the last
/// frame of a video.
struct VosSpan {
  int64_t first = 1, last = 0;  ///< both are counted
};
/// Of a video of `frames`: 1 to frames - 2.
VosSpan vos_span(int64_t frames);
/// Of an object that is there from frame `start` to frame `end`: start + 1 to end - 2, as the reference has it.
VosSpan vos_span(int64_t start, int64_t end);

/// Mean overlap of each object at each threshold. Two empty masks overlap by 1.
class VosMeter {
 public:
  /// Labels 1 to `objects`. One span for all or one an object.
  VosMeter(std::vector<VosSpan> spans, std::vector<double> thresholds);

  /// Whether a frame counts for any object.
  bool wants(int64_t frame) const;
  /// annotation [height, width]: labels 1, 2, …
  void add(int64_t frame, const MaskFusion& fusion, std::span<const uint8_t> annotation);

  /// [object][threshold]; not a number for an object without a frame.
  std::vector<std::vector<double>> overlaps() const;
  /// [threshold]: the mean over the objects that have a frame.
  std::vector<double> means() const;
  const std::vector<double>& thresholds() const { return thresholds_; }
  size_t objects() const { return spans_.size(); }

 private:
  std::vector<VosSpan> spans_;
  std::vector<double> thresholds_;
  std::vector<double> sums_;  // [object, threshold]
  std::vector<int64_t> frames_;
  std::vector<uint8_t> labels_;
  std::vector<int64_t> both_, own_, truth_;  // pixels by label
};

}  // namespace az::eval
