#include "eval/vot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "eval/vot_overlap.h"
#include "tensor/error.h"

namespace az::eval {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kBurnIn = 10;  // frames of a start that accuracy leaves out
constexpr size_t kSkip = 5;     // frames from a failure to the next start

/// Mean of those that are numbers; not a number where none is.
template <class T>
double mean_of_numbers(const std::vector<T>& values) {
  double sum = 0;
  size_t count = 0;
  for (const T v : values) {
    if (std::isnan(v)) continue;
    sum += static_cast<double>(v);
    ++count;
  }
  return count ? sum / static_cast<double>(count) : kNaN;
}

/// The overlaps without the first ten frames of every start.
std::vector<float> without_burn_in(const std::vector<cpu::Region>& run, std::vector<float> overlaps) {
  for (size_t i = 0; i < overlaps.size(); ++i) {
    if (!is_code(run[i], 1)) continue;
    const size_t end = std::min(i + kBurnIn, overlaps.size());
    std::fill(overlaps.begin() + static_cast<std::ptrdiff_t>(i), overlaps.begin() + static_cast<std::ptrdiff_t>(end),
              std::numeric_limits<float>::quiet_NaN());
  }
  return overlaps;
}

/// Frame by frame the mean over the repetitions that have a number there.
std::vector<double> mean_over_runs(const std::vector<std::vector<float>>& runs) {
  size_t frames = 0;
  for (const auto& run : runs) frames = std::max(frames, run.size());
  std::vector<double> means;
  for (size_t i = 0; i < frames; ++i) {
    std::vector<float> values;
    for (const auto& run : runs)
      if (i < run.size()) values.push_back(run[i]);
    means.push_back(mean_of_numbers(values));
  }
  return means;
}

/// A stretch of a run from a start to a failure or the end, as EAO averages it. Its row goes on with zeros when it
/// ended in a failure, and with nothing otherwise.
struct Fragment {
  std::vector<double> overlaps;
  bool failed = false;
  double weight = 0;
};

/// The share of a sequence's frames [first, last] that carry the mark, over `length`.
double marked_share(const std::vector<uint8_t>& marks, size_t first, size_t last, double length) {
  double sum = 0;
  for (size_t i = first; i <= last && i < marks.size(); ++i) sum += marks[i];
  return sum / length;
}

void add_fragments(const VotRun& run, const std::vector<uint8_t>& marks, size_t annotated,
                   std::vector<Fragment>& fragments) {
  const size_t length = run.overlaps.size();
  if (run.failures.empty()) {
    const double mean =
        marks.empty() ? 0.0 : marked_share(marks, 0, marks.size() - 1, static_cast<double>(marks.size()));
    fragments.push_back({{run.overlaps.begin(), run.overlaps.end()}, false, mean});
    return;
  }
  std::vector<size_t> starts = {0};
  for (const size_t failure : run.failures)
    if (failure + kSkip <= length) starts.push_back(failure + kSkip);
  const auto zeroed = [&](size_t begin, size_t end) {  // [begin, end)
    std::vector<double> values;
    for (size_t i = begin; i < std::min(end, length); ++i)
      values.push_back(std::isnan(run.overlaps[i]) ? 0.0 : static_cast<double>(run.overlaps[i]));
    return values;
  };
  for (size_t i = 0; i + 1 < starts.size(); ++i) {  // both ends included, so with the gap and the next start
    const size_t first = starts[i], last = starts[i + 1];
    fragments.push_back(
        {zeroed(first, last + 1), true, marked_share(marks, first, last, static_cast<double>(last - first + 1))});
  }
  const size_t first = starts.back();
  fragments.push_back({zeroed(first, length), false,
                       marked_share(marks, first, marks.size(), static_cast<double>(annotated - first) + 1e-16)});
}

/// e[i]: the weighted mean over the fragments that reach frame i of their mean overlap in frames 1 to i.
std::vector<float> expected_overlap(const std::vector<Fragment>& fragments, size_t length) {
  std::vector<float> expected(length);
  std::vector<double> sums(fragments.size());
  for (size_t i = 0; i < length; ++i) {
    double sum = 0, weights = 0;
    bool reached = false;
    for (size_t r = 0; r < fragments.size(); ++r) {
      const Fragment& f = fragments[r];
      const double value = i < f.overlaps.size() ? f.overlaps[i] : f.failed ? 0.0 : kNaN;
      if (i > 0) sums[r] += value;
      if (i == 0 || std::isnan(value)) continue;
      reached = true;
      sum += f.weight * (sums[r] / static_cast<double>(i));
      weights += f.weight;
    }
    expected[i] = i == 0 ? 1.0F : reached ? static_cast<float>(sum / weights) : 0.0F;
  }
  return expected;
}

double mean_over(const std::vector<float>& expected, const VotInterval& interval) {
  std::vector<float> part;
  for (int i = interval.low - 1; i < interval.high && static_cast<size_t>(i) < expected.size(); ++i)
    part.push_back(expected[static_cast<size_t>(i)]);
  return mean_of_numbers(part);
}

/// EAO's curve with the frames weighted by an attribute's marks; `attribute` empty: all frames.
std::vector<float> curve(const data::VotSet& set, const VotOverlaps& overlaps, const std::string& attribute) {
  std::vector<Fragment> fragments;
  size_t longest = 0;
  for (size_t s = 0; s < set.sequences.size(); ++s) {
    const data::VotSequence& sequence = set.sequences[s];
    const std::vector<uint8_t> marks =
        attribute.empty() ? std::vector<uint8_t>(sequence.truth.size(), 1) : sequence.attributes.at(attribute);
    for (const VotRun& run : overlaps.narrow[s]) {
      add_fragments(run, marks, sequence.truth.size(), fragments);
      longest = std::max(longest, run.overlaps.size());
    }
  }
  // Every repetition would weigh 1 / (their number) here, which a mean by weight cancels.
  return expected_overlap(fragments, longest);
}

void score_sequences(const data::VotSet& set, const data::VotResults& results, const VotOverlaps& overlaps,
                     VotScores& scores) {
  std::vector<double> pooled;
  double frames = 0;
  std::vector<double> lost;  // by repetition
  for (size_t s = 0; s < set.sequences.size(); ++s) {
    std::vector<std::vector<float>> runs;
    double failures = 0;
    lost.resize(std::max(lost.size(), overlaps.wide[s].size()));
    for (size_t r = 0; r < overlaps.wide[s].size(); ++r) {
      runs.push_back(without_burn_in(results.runs[s][r], overlaps.wide[s][r].overlaps));
      const auto count = static_cast<double>(overlaps.wide[s][r].failures.size());
      failures += count;
      lost[r] += count;
    }
    const std::vector<double> means = mean_over_runs(runs);
    pooled.insert(pooled.end(), means.begin(), means.end());
    frames += static_cast<double>(means.size());
    scores.sequences.push_back(
        {set.sequences[s].name, mean_of_numbers(means), failures / static_cast<double>(runs.size())});
    scores.lost_number += scores.sequences.back().lost_number;
    scores.repetitions = runs.size();
  }
  scores.accuracy = mean_of_numbers(pooled);
  scores.robustness = mean_of_numbers(lost) / frames * 100;
}

}  // namespace

VotInterval vot_interval(std::string_view data_set) {
  if (data_set == "VOT2016") return {108, 371};
  if (data_set == "VOT2017" || data_set == "VOT2018") return {100, 356};
  if (data_set == "VOT2019") return {46, 291};
  fail("vot: no interval for {}; there are VOT2016, VOT2017, VOT2018 and VOT2019, or give one as LOW,HIGH", data_set);
}

VotInterval parse_vot_interval(std::string_view what, const std::string& text) {
  if (text.find(',') == std::string::npos) return vot_interval(text);
  VotInterval interval;
  char rest = 0;
  AZ_CHECK(std::sscanf(text.c_str(), "%d,%d%c", &interval.low, &interval.high, &rest) == 2 && interval.low >= 1 &&
               interval.low < interval.high && interval.high <= 1000000,
           "{} is '{}', want LOW,HIGH in frames with 1 <= LOW < HIGH, or a data set's name", what, text);
  return interval;
}

VotScores evaluate_vot(const data::VotSet& set, const data::VotResults& results, const VotOptions& options) {
  const VotOverlaps overlaps = vot_overlaps(set, results, options.threads);
  VotScores scores;
  scores.tracker = results.tracker;
  scores.interval = options.interval;
  score_sequences(set, results, overlaps, scores);
  scores.expected_overlap = curve(set, overlaps, "");
  scores.eao = mean_over(scores.expected_overlap, options.interval);
  for (const char* attribute : data::kVotAttributes)
    scores.attributes[attribute] = mean_over(curve(set, overlaps, attribute), options.interval);
  return scores;
}

std::string vot_table(std::vector<VotScores> scores, bool per_sequence) {
  std::ranges::stable_sort(scores, [](const VotScores& a, const VotScores& b) {
    return (std::isnan(a.eao) ? -1 : a.eao) > (std::isnan(b.eao) ? -1 : b.eao);
  });
  size_t width = 8;
  for (const VotScores& s : scores) width = std::max(width, s.tracker.size());
  std::string text = fmt::format("{:<{}} {:>9} {:>11} {:>12} {:>7}\n", "tracker", width, "accuracy", "robustness",
                                 "lost number", "EAO");
  for (const VotScores& s : scores)
    text += fmt::format("{:<{}} {:>9.3f} {:>11.3f} {:>12.1f} {:>7.3f}\n", s.tracker, width, s.accuracy, s.robustness,
                        s.lost_number, s.eao);
  if (!per_sequence) return text;
  for (const VotScores& s : scores) {
    text += fmt::format("\n{}\n{:<20} {:>9} {:>12}\n", s.tracker, "sequence", "accuracy", "lost number");
    for (const VotSequenceScores& q : s.sequences)
      text += fmt::format("{:<20} {:>9.3f} {:>12.1f}\n", q.name, q.accuracy, q.lost_number);
  }
  return text;
}

}  // namespace az::eval
