// Overlaps of a tracker's runs with the annotation, frame by frame.
#pragma once

#include <vector>

#include "data/vot.h"

namespace az::eval {

/// Whether a line of a result is this code: 1 start, 2 failure, 0 skipped.
inline bool is_code(const cpu::Region& region, int code) {
  return region.special() && region.values[0] == static_cast<float>(code);
}

struct VotRun {
  std::vector<float> overlaps;   ///< of the frames that the run and the annotation have in common; NaN for a code
  std::vector<size_t> failures;  ///< frames with code 2
};

/// [sequence][repetition]
struct VotOverlaps {
  std::vector<std::vector<VotRun>> wide;    ///< within (width, height): accuracy and robustness
  std::vector<std::vector<VotRun>> narrow;  ///< within (width - 1, height - 1): EAO
};

/// Error: a sequence whose picture size is unknown, or results of another number of sequences.
VotOverlaps vot_overlaps(const data::VotSet& set, const data::VotResults& results, int threads);

}  // namespace az::eval
