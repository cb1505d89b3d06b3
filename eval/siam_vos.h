// A SiamMask tracker for each object of a video with label maps, and the meter of the reference (specs/siammask.md
// section 13; foolwood/SiamMask tools/test.py track_vos).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/vos.h"
#include "eval/siam_run.h"
#include "eval/vos_meter.h"

namespace az::eval {

/// Which objects a video has, and from which frame on.
enum class VosProtocol : uint8_t {
  davis2016,    ///< everything that is annotated is one object, from the first annotation on
  davis2017,    ///< the labels of the first annotation
  youtube_vos,  ///< each label from the first annotation on that has it
};
/// davis2016, davis2017 or youtube-vos. Error: another name.
VosProtocol parse_vos_protocol(const std::string& name);

struct VosOptions {
  VosProtocol protocol = VosProtocol::davis2017;
  std::vector<double> thresholds{std::begin(kVosThresholds), std::end(kVosThresholds)};
  models::SiamTrackOptions track;
  models::SiamStepOptions step;
  std::filesystem::path out;  ///< OUT/VIDEO/00000.png, the label maps at track.seg_thr; empty: none
};

struct VosVideoScores {
  std::string name;
  std::vector<uint8_t> objects;               ///< their labels
  std::vector<std::vector<double>> overlaps;  ///< [object][threshold]; not a number where no frame counts
};

struct VosScores {
  std::vector<double> thresholds, means;  ///< the mean over all objects of all videos
  std::vector<VosVideoScores> videos;
  double best() const;  ///< of the thresholds
};

/// Tracks every video's objects side by side. Errors: a network without masks; label maps of another size than their
/// frames; a first annotation without an object.
VosScores track_vos(models::SiamMask& network, const std::vector<data::VosVideo>& videos, Device& device,
                    const VosOptions& options, TrackTime& time, const SequenceProgress& progress = {});

/// Where a mask's object begins: its bounding rectangle x, y, w, h with centre x + w / 2. Error: no pixel.
cpu::InitialBox box_of_mask(const cpu::MaskView& mask);

}  // namespace az::eval
