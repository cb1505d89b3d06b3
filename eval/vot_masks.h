// Masks of a tracker beside the true ones of a VOT set.
#pragma once

#include <cstdint>
#include <filesystem>

#include "cpu/mask_paste.h"
#include "cpu/region.h"
#include "data/vot.h"

namespace az::eval {

/// Mean IoU of masks with the label maps SET/masks/SEQ/00000001.png…, as `azimuth synth vot` writes them (1 is the
/// object). Counted are the frames that the run tracks and that show the object; a run's failures stay in, so that a
/// lost object costs what it covers.
class VotMaskMeter {
 public:
  /// Whether the set has masks.
  static bool fits(const data::VotSet& set);
  explicit VotMaskMeter(const data::VotSet& set) : root_(set.root / "masks") {}

  /// The pixels whose probability is above the threshold. Error: a mask that is missing or of another size.
  void add(const data::VotSequence& sequence, size_t frame, const cpu::PastedMask& mask, double threshold);
  /// The pixels of a region. Error: as above.
  void add(const data::VotSequence& sequence, size_t frame, const cpu::Region& region);

  double mean() const { return frames_ > 0 ? sum_ / static_cast<double>(frames_) : 0; }
  int64_t frames() const { return frames_; }

 private:
  template <class Inside>
  void count(const data::VotSequence& sequence, size_t frame, const Inside& inside);

  std::filesystem::path root_;
  double sum_ = 0;
  int64_t frames_ = 0;
};

}  // namespace az::eval
