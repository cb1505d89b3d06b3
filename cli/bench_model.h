// azimuth bench MODEL infer/train, and bench peak.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/device.h"

namespace az::cli {

struct BenchOptions {
  std::string model = "polarmask-r50";
  bool train = false;
  int64_t height = 800, width = 1333;  ///< pixels; padded to multiples of 32
  int64_t batch = 1;
  double seconds = 10;  ///< measured for, at least three runs
};

struct BenchResult {
  double ms = 0, ms_min = 0;  ///< of a step; median and fastest
  double images_per_s = 0;
  double gflops = 0;           ///< of a step, convolutions only
  double peak_rss_mb = 0;      ///< of the process
  double postprocess_ms = -1;  ///< of one image's outputs; inference only
  int64_t runs = 0;
};

/// Times the peer's work: all towers and head outputs; in training the real losses, backward and an SGD step.
/// Error: an unknown model.
BenchResult bench_model(const BenchOptions& options, Device& device);

struct PeakResult {
  double matmul_gflops = 0;  ///< f32 matrix product of 2048, best of several
  double copy_gb_s = 0;      ///< bytes read and written by a copy of 256 MiB
};
/// What this machine reaches with the threads it is given.
PeakResult bench_peak(Device& device);

}  // namespace az::cli
