// A generated set in the VOT challenge's format, to test trackers on without a download.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "data/vot.h"

namespace az::data {

struct SynthVotOptions {
  std::filesystem::path out;
  uint64_t seed = 1;
  int sequences = 12;
  int frames = 120;  ///< the mean: a sequence has 3/4 to 5/4 of it
  int width = 320;
  int height = 240;
  int workers = 0;     ///< threads; 0: one a processor. The files do not depend on it.
  bool force = false;  ///< write into a folder that is not empty
  std::function<void(int64_t done, int64_t total)> progress{};  ///< sequences, from one thread at a time
};

struct SynthVotSummary {
  int64_t sequences = 0;
  int64_t frames = 0;
  std::array<int64_t, kVotAttributes.size()> marked{};  ///< frames with each attribute
  int64_t hidden = 0;  ///< frames that show less than 15 % of the object: their region is that of all of it
  double seconds = 0;
};

/// Writes OUT/SEQ/00000001.jpg..., OUT/SEQ/groundtruth.txt, OUT/SEQ/ATTRIBUTE.tag, the true masks as
/// OUT/masks/SEQ/00000001.png (1 is the object) and, last, OUT/list.txt and OUT/NAME.json, NAME being OUT's.
/// A region is the smallest rectangle around the pixels that show the object. A sequence depends on the seed, its
/// number, and the size and number of frames. Error: a folder that is not empty without `force`, or a file that cannot
/// be written.
SynthVotSummary write_synth_vot(const SynthVotOptions& options);

}  // namespace az::data
