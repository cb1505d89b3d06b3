// From a profiler's spans to rows: what took the time, how near to the machine's limits.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/bench_peak.h"
#include "tensor/profiler.h"

namespace az::cli {

/// One step's spans and its wall time on the device's clock.
struct ProfiledStep {
  std::vector<Span> spans;
  int64_t begin_ns = 0, end_ns = 0;
};

/// Names of layers by the storage id of their weight.
using LayerNames = std::map<uint64_t, std::string>;

/// Work of one kind, a step's mean. Times are a span's own, without those of spans inside it, so rows add up.
struct ProfileRow {
  std::string phase = {}, name = {}, algorithm = {}, dtype = {};
  std::string layer = {}, shape = {};  ///< "" where rows of several are one
  double calls = 0;                    ///< a step
  double ms = 0;                       ///< a step
  double flops = 0, executed_flops = 0, bytes = 0;
  double allocated_bytes = 0;
  int track = 0;  ///< 0: the thread that runs the step; else a thread beside it, whose time is not the step's

  bool operator==(const ProfileRow&) const = default;
};

/// What rows keep apart beside phase, op, algorithm and dtype.
enum class GroupBy : uint8_t { op, layer, shape, everything };

/// Means over the steps, longest first; rows of other threads come last. A step's time that no span on its thread
/// covers is the row "(unaccounted)", so that the rows of track 0 add up to the mean step.
std::vector<ProfileRow> profile_rows(const std::vector<ProfiledStep>& steps, const LayerNames& layers, GroupBy by);

/// The same rows with less kept apart.
std::vector<ProfileRow> regrouped(const std::vector<ProfileRow>& rows, GroupBy by);

/// Mean wall time of a step, milliseconds.
double mean_step_ms(const std::vector<ProfiledStep>& steps);

/// The least time for the row's operations and bytes on this machine, milliseconds: what the multiply-adds take at the
/// peak of its dtype, or the bytes at the copy's bandwidth from memory, whichever is longer.
double roofline_ms(const ProfileRow& row, const Peaks& peaks);

/// Rows as a table for a terminal; at most `most` of them, the rest in one line.
std::string profile_table(const std::vector<ProfileRow>& rows, double step_ms, const Peaks& peaks, size_t most);

/// Two profiles side by side, by phase and op, the largest change first: milliseconds of each, difference and ratio.
std::string comparison_table(const std::vector<ProfileRow>& a, const std::vector<ProfileRow>& b);

}  // namespace az::cli
