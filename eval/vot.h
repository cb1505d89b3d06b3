// Accuracy, robustness and expected average overlap of the reset-based VOT protocol, as SiamMask and pysot compute them
// (specs/vot.md sections 3, 6 and 7; STVIR/pysot toolkit/evaluation).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/vot.h"

namespace az::eval {

/// The sequence lengths that EAO averages over: low, …, high - 1 frames behind the first.
struct VotInterval {
  int low = 100, high = 356;
};
/// Of VOT2016, VOT2017, VOT2018 or VOT2019. Error: another name.
VotInterval vot_interval(std::string_view data_set);
/// "LOW,HIGH" in frames, or a data set's name; `what` stands in errors. Error: other text.
VotInterval parse_vot_interval(std::string_view what, const std::string& text);

struct VotOptions {
  VotInterval interval;
  int threads = 0;  ///< 0: all. The figures are the same for any number
};

struct VotSequenceScores {
  std::string name;
  double accuracy = 0;     ///< mean overlap behind the burn-in
  double lost_number = 0;  ///< failures, mean over the repetitions
};

/// What is not a number has no frame that it could be about.
struct VotScores {
  std::string tracker;
  VotInterval interval;
  double accuracy = 0;     ///< A: mean overlap of all frames but the first ten of a start
  double robustness = 0;   ///< R: failures for 100 frames
  double lost_number = 0;  ///< failures, summed over the sequences
  double eao = 0;
  std::vector<float> expected_overlap;       ///< [frame]; EAO is its mean over the interval
  std::map<std::string, double> attributes;  ///< EAO of the frames that are marked so
  std::vector<VotSequenceScores> sequences;  ///< in the set's order
  size_t repetitions = 0;                    ///< of the last sequence
};

/// Scores a tracker's runs. Error: a sequence whose picture size is unknown, results of another set.
VotScores evaluate_vot(const data::VotSet& set, const data::VotResults& results, const VotOptions& options);

/// Whether a's EAO is higher than b's; where either has none or they are equal: fewer losses, then more accuracy.
bool vot_better(const VotScores& a, const VotScores& b);

/// A table of trackers, best EAO first; with `per_sequence` also accuracy and losses of each sequence.
std::string vot_table(std::vector<VotScores> scores, bool per_sequence);

/// One supervised run (section 3) frame by frame: what is to be done with frame(), then what came of it.
class SupervisedRun {
 public:
  enum class Todo : uint8_t { skip, start, track };
  /// The sequence stays. Error: its picture size is unknown.
  explicit SupervisedRun(const data::VotSequence& sequence);

  size_t frame() const { return lines_.size(); }
  Todo todo() const;
  cpu::Region truth() const;  ///< of the frame, as corners
  void skipped();
  void started();
  void tracked(cpu::Region region);  ///< decides whether the object was lost
  /// One line a frame: 1, 2, 0 or the region.
  const std::vector<cpu::Region>& lines() const { return lines_; }

 private:
  const std::vector<cpu::Region>* truth_;
  cpu::RegionBounds bounds_;
  size_t next_ = 0;  // the frame of the next start, or the last one's
  std::vector<cpu::Region> lines_;
};

/// One supervised run (section 3): starts the tracker, and starts it anew five frames after it has lost the object.
/// `start(frame, truth)` gets the annotation as corners, `track(frame)` returns the region.
/// Returns one line a frame: 1, 2, 0 or the region. Error: the sequence's picture size is unknown.
std::vector<cpu::Region> run_supervised(const data::VotSequence& sequence,
                                        const std::function<void(size_t, const cpu::Region&)>& start,
                                        const std::function<cpu::Region(size_t)>& track);

}  // namespace az::eval
