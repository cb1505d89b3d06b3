#include "cli/profile_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace az::cli {
namespace {

constexpr const char* kUnaccounted = "(unaccounted)";

using Key = std::tuple<int, std::string, std::string, std::string, std::string, std::string, std::string>;

Key key_of(const ProfileRow& r) { return {r.track, r.phase, r.name, r.algorithm, r.dtype, r.layer, r.shape}; }

void add(ProfileRow& sum, const ProfileRow& row) {
  sum.calls += row.calls;
  sum.ms += row.ms;
  sum.flops += row.flops;
  sum.executed_flops += row.executed_flops;
  sum.bytes += row.bytes;
  sum.allocated_bytes += row.allocated_bytes;
}

/// Threads beside the step's are one.
ProfileRow kept_apart(ProfileRow row, GroupBy by) {
  if (by == GroupBy::op || by == GroupBy::shape) row.layer.clear();
  if (by == GroupBy::op || by == GroupBy::layer) row.shape.clear();
  row.track = row.track > 0 ? 1 : 0;
  return row;
}

std::vector<ProfileRow> sorted(const std::map<Key, ProfileRow>& groups) {
  std::vector<ProfileRow> rows;
  for (const auto& [key, row] : groups) rows.push_back(row);
  std::ranges::stable_sort(rows, [](const ProfileRow& a, const ProfileRow& b) {
    return std::tuple(a.track > 0, -a.ms) < std::tuple(b.track > 0, -b.ms);
  });
  return rows;
}

/// "1234", "12.3", "0.012": three figures, no exponent.
std::string number(double v) {
  if (v == 0) return "-";
  const int digits = v >= 100 ? 0 : v >= 10 ? 1 : v >= 1 ? 2 : 3;
  return fmt::format("{:.{}f}", v, digits);
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string label(const ProfileRow& r) {
  std::string text = r.name;
  if (!r.algorithm.empty()) text += " (" + r.algorithm + ")";
  if (!r.layer.empty()) text += " " + r.layer;
  if (!r.shape.empty()) text += " " + r.shape;
  return text;
}

std::string line(const ProfileRow& r, double step_ms, const Peaks& peaks, size_t width) {
  const double s = r.ms / 1000;
  const double roof = roofline_ms(r, peaks);
  return fmt::format("{:<{}}  {:<9} {:<5} {:>6} {:>9.3f} {:>7} {:>8} {:>7} {:>8} {:>9}\n", label(r), width, r.phase,
                     r.dtype, number(r.calls), r.ms, r.track > 0 ? "-" : percent(r.ms / step_ms),
                     number(s > 0 ? r.flops / s / 1e9 : 0), number(s > 0 ? r.bytes / s / 1e9 : 0),
                     roof > 0 && r.ms > 0 ? percent(roof / r.ms) : "-", number(r.allocated_bytes / (1 << 20)));
}

/// Sums by phase and op.
std::map<std::pair<std::string, std::string>, ProfileRow> by_op(const std::vector<ProfileRow>& rows) {
  std::map<std::pair<std::string, std::string>, ProfileRow> sums;
  for (const ProfileRow& row : rows) {
    ProfileRow& sum = sums[{row.phase, row.name}];
    add(sum, row);
    if (!row.algorithm.empty() && sum.algorithm.find(row.algorithm) == std::string::npos)
      sum.algorithm += (sum.algorithm.empty() ? "" : ", ") + row.algorithm;
  }
  return sums;
}

}  // namespace

std::vector<ProfileRow> profile_rows(const std::vector<ProfiledStep>& steps, const LayerNames& layers, GroupBy by) {
  std::map<Key, ProfileRow> groups;
  const auto put = [&](ProfileRow row) {
    row = kept_apart(std::move(row), by);
    add(groups
            .try_emplace(key_of(row), ProfileRow{row.phase, row.name, row.algorithm, row.dtype, row.layer, row.shape, 0,
                                                 0, 0, 0, 0, 0, row.track})
            .first->second,
        row);
  };
  const double each = 1 / static_cast<double>(std::max<size_t>(steps.size(), 1));
  for (const ProfiledStep& step : steps) {
    std::vector<int64_t> own_ns(step.spans.size()), own_bytes(step.spans.size());
    int64_t covered = 0;
    for (size_t i = 0; i < step.spans.size(); ++i) {
      const Span& s = step.spans[i];
      own_ns[i] += s.end_ns - s.begin_ns;
      own_bytes[i] += s.allocated_bytes;
      if (s.parent >= 0) {
        own_ns[static_cast<size_t>(s.parent)] -= s.end_ns - s.begin_ns;
        own_bytes[static_cast<size_t>(s.parent)] -= s.allocated_bytes;
      } else if (s.track == 0) {
        covered += s.end_ns - s.begin_ns;
      }
    }
    for (size_t i = 0; i < step.spans.size(); ++i) {
      const Span& s = step.spans[i];
      const auto layer = layers.find(s.detail.weight);
      const Cost& c = s.detail.cost;
      put({phase_name(s.phase), s.name, s.detail.algorithm, s.detail.dtype,
           layer == layers.end() ? std::string() : layer->second, s.detail.shape, each,
           each * static_cast<double>(own_ns[i]) / 1e6, each * c.flops, each * c.executed(), each * c.bytes(),
           each * static_cast<double>(own_bytes[i]), s.track});
    }
    const double rest = static_cast<double>(step.end_ns - step.begin_ns - covered) / 1e6;
    put({"", kUnaccounted, "", "", "", "", 0, each * rest, 0, 0, 0, 0, 0});
  }
  return sorted(groups);
}

std::vector<ProfileRow> regrouped(const std::vector<ProfileRow>& rows, GroupBy by) {
  std::map<Key, ProfileRow> groups;
  for (const ProfileRow& row : rows) {
    ProfileRow part = kept_apart(row, by);
    const auto [at, is_new] = groups.try_emplace(key_of(part), part);
    if (!is_new) add(at->second, part);
  }
  return sorted(groups);
}

double mean_step_ms(const std::vector<ProfiledStep>& steps) {
  double ns = 0;
  for (const ProfiledStep& step : steps) ns += static_cast<double>(step.end_ns - step.begin_ns);
  return steps.empty() ? 0 : ns / static_cast<double>(steps.size()) / 1e6;
}

double roofline_ms(const ProfileRow& row, const Peaks& peaks) {
  const double gflops = row.dtype == "bf16" && peaks.bf16_gflops > 0 ? peaks.bf16_gflops : peaks.f32_gflops;
  const double compute = gflops > 0 ? row.executed_flops / gflops / 1e6 : 0;
  const double memory = peaks.memory_gb_s > 0 ? row.bytes / peaks.memory_gb_s / 1e6 : 0;
  return std::max(compute, memory);
}

std::string profile_table(const std::vector<ProfileRow>& rows, double step_ms, const Peaks& peaks, size_t most) {
  size_t width = 12;
  for (size_t i = 0; i < std::min(rows.size(), most); ++i) width = std::max(width, label(rows[i]).size());
  std::string text = fmt::format("{:<{}}  {:<9} {:<5} {:>6} {:>9} {:>7} {:>8} {:>7} {:>8} {:>9}\n", "op", width,
                                 "phase", "dtype", "calls", "ms", "share", "GFLOP/s", "GB/s", "roofline", "MB");
  ProfileRow rest{.name = "(others)"}, total{.name = "(step)"};
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].track == 0) add(total, rows[i]);
    if (i < most) {
      text += line(rows[i], step_ms, peaks, width);
    } else if (rows[i].track == 0) {
      add(rest, rows[i]);
    }
  }
  if (rest.ms > 0) text += line(rest, step_ms, peaks, width);
  return text + line(total, step_ms, peaks, width);
}

std::string comparison_table(const std::vector<ProfileRow>& a, const std::vector<ProfileRow>& b) {
  struct Change {
    std::string phase, name, algorithm;
    double a = 0, b = 0;
  };
  const auto before = by_op(a), after = by_op(b);
  std::map<std::pair<std::string, std::string>, Change> both;
  for (const auto& [key, row] : before) both[key] = {key.first, key.second, row.algorithm, row.ms, 0};
  for (const auto& [key, row] : after) {
    Change& change = both.try_emplace(key, Change{key.first, key.second, "", 0, 0}).first->second;
    change.b = row.ms;
    if (change.algorithm != row.algorithm) change.algorithm += " -> " + row.algorithm;
  }
  std::vector<Change> changes;
  Change total{"", "(step)", ""};
  for (const auto& [key, change] : both) {
    changes.push_back(change);
    total.a += change.a;
    total.b += change.b;
  }
  std::ranges::stable_sort(changes,
                           [](const Change& x, const Change& y) { return std::abs(x.b - x.a) > std::abs(y.b - y.a); });
  changes.push_back(total);
  std::string text = fmt::format("{:<26} {:<9} {:>10} {:>10} {:>10} {:>7}  {}\n", "op", "phase", "A ms", "B ms",
                                 "B - A ms", "B / A", "algorithm");
  for (const Change& c : changes)
    text += fmt::format("{:<26} {:<9} {:>10.3f} {:>10.3f} {:>+10.3f} {:>7}  {}\n", c.name, c.phase, c.a, c.b, c.b - c.a,
                        c.a > 0 ? fmt::format("{:.3f}", c.b / c.a) : "-", c.algorithm);
  return text;
}

}  // namespace az::cli
