#include "cpu/rle_text.h"

#include <limits>

#include "cpu/rle.h"
#include "cpu/rle_text_wide.h"
#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

constexpr int64_t kMaxRun = std::numeric_limits<uint32_t>::max();

/// Reads the text again, number by number, to say what is wrong with it.
[[noreturn]] void fail_at_damage(std::string_view text) {
  std::vector<int64_t> runs;
  for (size_t at = 0; at < text.size();) {
    uint64_t value = 0;
    int shift = 0;
    int piece = 32;
    while ((piece & 32) != 0) {
      AZ_CHECK(at < text.size(), "the compressed runs stop within a number");
      piece = text[at] - 48;
      AZ_CHECK(piece >= 0 && piece < 64, "the compressed runs have a character outside '0'..'o' at position {}", at);
      AZ_CHECK(shift < 40, "the compressed runs have a number beyond 32 bits at position {}", at);
      value |= static_cast<uint64_t>(piece & 31) << shift;
      shift += 5;
      ++at;
    }
    if ((piece & 16) != 0) value |= ~uint64_t{0} << shift;
    int64_t run = static_cast<int64_t>(value);
    if (runs.size() > 2) run += runs[runs.size() - 2];
    AZ_CHECK(run >= 0 && run <= kMaxRun, "the compressed runs hold a run of {} pixels", run);
    runs.push_back(run);
  }
  fail("the compressed runs are damaged");
}

AZ_SIMD RunTotals run_totals_by_number(std::string_view text, uint32_t height) {
  const Divider column_of(height);
  RunTotals totals;
  uint32_t begin = 0, first = 0, last = 0, top = height, bottom = 0;
  bool foreground = false;
  const bool whole = for_runs(text, [&](uint32_t run) {
    const uint32_t end = begin + run;
    totals.covered += run;
    if (foreground && run > 0) {
      // A run that goes on in the next column takes its column's lower end and the next one's upper end.
      const uint32_t column = column_of(begin), last_column = column_of(end - 1);
      if (totals.area == 0) first = column;
      last = last_column;
      totals.area += run;
      const bool one_column = column == last_column;
      top = std::min(top, one_column ? begin - column * height : 0);
      bottom = std::max(bottom, one_column ? end - 1 - column * height : height - 1);
    }
    foreground = !foreground;
    begin = end;
  });
  if (!whole) fail_at_damage(text);
  if (totals.area > 0) totals.box = {first, top, last - first + 1, bottom - top + 1};
  return totals;
}

AZ_SIMD void append_edges_by_number(std::string_view text, std::vector<uint32_t>& edges) {
  // Written without a branch on what a run is: an empty one is overwritten by the next.
  const size_t held = edges.size();
  edges.resize(held + text.size() + 1);
  uint32_t* to = edges.data() + held;
  uint32_t begin = 0;
  bool foreground = false;
  const bool whole = for_runs(text, [&](uint32_t run) {
    const uint32_t end = begin + run;
    if (foreground) {
      to[0] = begin;
      to[1] = end;
      to += run > 0 ? 2 : 0;
    }
    foreground = !foreground;
    begin = end;
  });
  if (!whole) fail_at_damage(text);
  edges.resize(static_cast<size_t>(to - edges.data()));
}

}  // namespace

std::string rle_to_string(const Rle& rle) {
  std::string text;
  text.reserve(rle.counts.size() * 2);
  for (size_t i = 0; i < rle.counts.size(); ++i) {
    int64_t rest = rle.counts[i];
    if (i > 2) rest -= rle.counts[i - 2];
    for (bool more = true; more;) {
      const int64_t piece = rest & 31;
      rest >>= 5;
      more = (piece & 16) != 0 ? rest != -1 : rest != 0;
      text.push_back(static_cast<char>(48 + piece + (more ? 32 : 0)));
    }
  }
  return text;
}

Rle rle_from_string(std::string_view text, uint32_t height, uint32_t width) {
  Rle rle{height, width, {}};
  rle.counts.reserve(text.size());
  if (!for_runs(text, [&](uint32_t run) { rle.counts.push_back(run); })) fail_at_damage(text);
  return rle;
}

RunTotals run_totals(std::string_view text, uint32_t height) {
  if (has_wide_runs())
    if (const auto totals = run_totals_wide(text, height)) return *totals;
  return run_totals_by_number(text, height);
}

void append_edges(std::string_view text, std::vector<uint32_t>& edges) {
  if (has_wide_runs()) {
    const size_t held = edges.size();
    edges.resize(held + text.size() + kEdgesSpill);
    const auto added = append_edges_wide(text, edges.data() + held);
    edges.resize(held + added.value_or(0));
    if (added) return;
  }
  append_edges_by_number(text, edges);
}

std::string rle_problem(const Rle& rle) {
  uint64_t covered = 0;
  for (const uint32_t run : rle.counts) covered += run;
  return runs_problem(rle.height, rle.width, covered);
}

std::string runs_problem(uint32_t height, uint32_t width, uint64_t covered) {
  const uint64_t pixels = uint64_t{height} * width;
  if (pixels > uint64_t{kMaxRun})
    return fmt::format("a picture of {} x {} has more pixels than a run can count", height, width);
  if (covered == pixels) return "";
  return fmt::format("the runs cover {} pixels, the picture of {} x {} has {}", covered, width, height, pixels);
}

}  // namespace az::cpu
