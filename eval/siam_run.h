// A SiamMask tracker run over a VOT or an OTB set (specs/vot.md section 3; foolwood/SiamMask tools/test.py).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/otb.h"
#include "eval/vot.h"
#include "models/siammask/tracker.h"

namespace az::eval {

/// What the frames took.
struct TrackTime {
  int64_t frames = 0;   ///< tracked; with several lanes a frame counts once
  double tracking = 0;  ///< seconds in the tracker
  double seconds = 0;   ///< with reading and decoding
  double per_second() const { return tracking > 0 ? static_cast<double>(frames) / tracking : 0; }
};

/// Called behind each sequence, with its name.
using SequenceProgress = std::function<void(const std::string& name, size_t done, size_t total)>;

/// Called behind each frame that a VOT run has tracked: the sequence, the frame's number from 0, its picture.
using FrameSeen = std::function<void(const data::VotSequence&, size_t, const data::Image&)>;

/// The region that a tracker reports: with masks the rotated rectangle's corners, else x, y, w, h.
cpu::Region region_of(const models::SiamTracked& tracked, bool has_masks);
/// Centre and size of the state as x, y, w, h.
cpu::Box box_of(const models::SiamState& state);

/// Reset-based runs of every lane, each with its own starts, over the same frames read once. [lane]; named `names`.
/// Errors: a sequence whose frames are not there or differ in number from its annotations.
std::vector<data::VotResults> track_vot(models::SiamTracker& tracker, const data::VotSet& set,
                                        const std::vector<std::string>& names, TrackTime& time,
                                        const SequenceProgress& progress = {}, const FrameSeen& seen = {});
/// The same run by nothing: the region that it was started with, frame after frame. `seen` gets that region.
data::VotResults keep_first_box(const data::VotSet& set, const std::string& name,
                                const std::function<void(const data::VotSequence&, size_t, const cpu::Region&)>& seen);
/// Writes FOLDER/NAME/baseline/SEQ/SEQ_001.txt.
void write_vot_results(const data::VotSet& set, const data::VotResults& results, const std::filesystem::path& folder);

/// One pass without resets. OTB counts pixels from 1; the boxes are in its coordinates, the first is the annotation.
/// [sequence][frame]. Errors as above.
std::vector<std::vector<cpu::Box>> track_otb(models::SiamTracker& tracker,
                                             const std::vector<data::OtbSequence>& sequences, TrackTime& time,
                                             const SequenceProgress& progress = {});
/// Writes FOLDER/SEQ.txt, every digit of the numbers.
void write_otb_results(const std::vector<data::OtbSequence>& sequences, const std::vector<std::vector<cpu::Box>>& boxes,
                       const std::filesystem::path& folder);

}  // namespace az::eval
