#include "cli/bench_scaling.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>

#include "cli/arguments.h"
#include "cli/timing.h"
#include "cli/workload.h"
#include "cpu/device.h"
#include "eval/chart.h"
#include "tensor/error.h"

namespace az::cli {
namespace {

/// Starts the count of the process's peak memory anew where the system can (Linux: proc(5), clear_refs).
bool reset_peak_rss() {
  std::ofstream file("/proc/self/clear_refs");
  return static_cast<bool>(file << "5" << std::flush);
}

/// The peak since then, MB; -1 where the system does not say.
double peak_rss_since_reset_mb() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  return -1;
}

ScalingPoint measure(const ScalingOptions& o, int64_t batch, std::pair<int64_t, int64_t> size) {
  const bool counts = reset_peak_rss();
  cpu::CpuDevice device;
  Workload work({.model = o.model, .train = o.train, .height = size.first, .width = size.second, .batch = batch},
                device);
  const auto times = time_runs(
      device, [&] { work.step(); }, o.seconds);
  work.check();
  return {batch,
          work.height(),
          work.width(),
          times[times.size() / 2],
          static_cast<double>(device.allocator().stats().peak_live_bytes) / (1 << 20),
          counts ? peak_rss_since_reset_mb() : -1};
}

/// A line over pixels, with its exponent in its name.
eval::Series series(const std::string& name, const std::vector<ScalingPoint>& points,
                    double (*value)(const ScalingPoint&)) {
  eval::Series s;
  for (const ScalingPoint& p : points) {
    s.x.push_back(p.pixels() / 1e6);
    s.y.push_back(value(p));
  }
  s.name = fmt::format("{}: pixels^{:.2f}", name, log_slope(s.x, s.y));
  return s;
}

}  // namespace

ScalingBench bench_scaling(const ScalingOptions& o) {
  AZ_CHECK(o.sizes.size() >= 2 && o.batches.size() >= 2, "bench scaling: wants two or more sizes and batches");
  ScalingBench bench;
  for (const int64_t batch : o.batches) bench.batches.push_back(measure(o, batch, o.sizes[1]));
  for (const auto& size : o.sizes) bench.sizes.push_back(measure(o, 1, size));
  return bench;
}

double log_slope(const std::vector<double>& x, const std::vector<double>& y) {
  AZ_CHECK(x.size() == y.size() && x.size() >= 2, "slope: {} and {} values, want two or more of each", x.size(),
           y.size());
  const auto n = static_cast<double>(x.size());
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    AZ_CHECK(x[i] > 0 && y[i] > 0, "slope: point ({}, {}) has no logarithm", x[i], y[i]);
    const double lx = std::log(x[i]), ly = std::log(y[i]);
    sx += lx, sy += ly, sxx += lx * lx, sxy += lx * ly;
  }
  const double spread = n * sxx - sx * sx;
  AZ_CHECK(spread > 1e-12, "slope: all points have x = {}", x[0]);
  return (n * sxy - sx * sy) / spread;
}

std::vector<std::pair<int64_t, int64_t>> parse_sizes(const std::string& text) {
  std::vector<std::pair<int64_t, int64_t>> sizes;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    sizes.push_back(parse_size("bench scaling", text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return sizes;
}

std::pair<std::string, std::string> scaling_charts(const ScalingBench& bench, const std::string& title) {
  const auto chart = [&](const char* what, double (*value)(const ScalingPoint&)) {
    return eval::line_chart(
        {series("more pictures", bench.batches, value), series("larger pictures", bench.sizes, value)},
        {.title = title + what,
         .x_label = "megapixels a step",
         .log_y = true,
         .log_x = true,
         .marks = true,
         .width_px = 560,
         .height_px = 360});
  };
  return {chart(", ms a step", [](const ScalingPoint& p) { return p.ms; }),
          chart(", MB of tensors", [](const ScalingPoint& p) { return p.tensors_mb; })};
}

}  // namespace az::cli
