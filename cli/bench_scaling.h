// `azimuth bench scaling`: how time and memory grow with the number of pictures and with their size.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tensor/device.h"

namespace az::cli {

struct ScalingOptions {
  std::string model = "polarmask-r50";
  bool train = false;
  std::vector<int64_t> batches = {1, 2, 4, 8};     ///< pictures, each of the second of `sizes`
  std::vector<std::pair<int64_t, int64_t>> sizes;  ///< height and width, pixels, of one picture; two or more
  double seconds = 2;                              ///< a measurement, at least three runs
};

struct ScalingPoint {
  int64_t batch = 0, height = 0, width = 0;  ///< padded
  double ms = 0;                             ///< median
  double tensors_mb = 0;                     ///< the most that tensors held
  double rss_mb = -1;                        ///< the process's peak while it was measured; -1: the system does not say
  double pixels() const { return static_cast<double>(batch * height * width); }
};

struct ScalingBench {
  std::vector<ScalingPoint> batches, sizes;
};

/// Each measurement on a CPU device of its own.
ScalingBench bench_scaling(const ScalingOptions& options);

/// The exponent of a power law through the points, least squares of the logarithms. Error: fewer than two different x,
/// or a value that is not above 0.
double log_slope(const std::vector<double>& x, const std::vector<double>& y);

/// "200x336,400x672" as heights and widths. Error: other text.
std::vector<std::pair<int64_t, int64_t>> parse_sizes(const std::string& text);

/// Two charts over the pixels of a step, both axes logarithmic, with the exponents in their legends: of time and of
/// memory.
std::pair<std::string, std::string> scaling_charts(const ScalingBench& bench, const std::string& title);

}  // namespace az::cli
