#include "eval/vot_overlap.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "data/image.h"
#include "tensor/error.h"

namespace az::eval {
namespace {

VotRun compare(const std::vector<cpu::Region>& run, const std::vector<cpu::Region>& truth,
               const cpu::RegionBounds& bounds) {
  VotRun result;
  for (size_t i = 0; i < std::min(run.size(), truth.size()); ++i)
    result.overlaps.push_back(cpu::region_overlap(run[i], truth[i], bounds));
  for (size_t i = 0; i < run.size(); ++i)
    if (is_code(run[i], 2)) result.failures.push_back(i);
  return result;
}

}  // namespace

VotOverlaps vot_overlaps(const data::VotSet& set, const data::VotResults& results, int threads) {
  const size_t count = set.sequences.size();
  AZ_CHECK(results.runs.size() == count, "vot: results of {} sequences for a set of {}", results.runs.size(), count);
  for (const data::VotSequence& s : set.sequences)
    AZ_CHECK(s.width > 0 && s.height > 0,
             "vot: the picture size of the sequence {} is unknown: neither its frames nor a width and height are there",
             s.name);
  for (const data::VotSequence& s : set.sequences)
    AZ_CHECK(int64_t{s.width} * s.height <= data::kMaxPixels, "vot: the sequence {} has frames of {} x {}", s.name,
             s.width, s.height);
  VotOverlaps overlaps{std::vector<std::vector<VotRun>>(count), std::vector<std::vector<VotRun>>(count)};
  const int team = threads > 0 ? threads : omp_get_max_threads();
#pragma omp parallel for schedule(dynamic) num_threads(team)
  for (size_t s = 0; s < count; ++s) {
    const data::VotSequence& sequence = set.sequences[s];
    const auto width = static_cast<float>(sequence.width), height = static_cast<float>(sequence.height);
    for (const auto& run : results.runs[s]) {
      overlaps.wide[s].push_back(compare(run, sequence.truth, {width, height}));
      overlaps.narrow[s].push_back(compare(run, sequence.truth, {width - 1, height - 1}));
    }
  }
  return overlaps;
}

}  // namespace az::eval
