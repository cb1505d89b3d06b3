// azimuth bench MODEL infer/train.
#pragma once

#include <cstdint>
#include <string>

#include "cli/workload.h"
#include "tensor/device.h"

namespace az::cli {

struct BenchOptions : WorkloadOptions {
  double seconds = 10;  ///< measured for, at least three runs
  bool tune = false;    ///< on a GPU: the first run times cuDNN's plans and keeps the fastest
  std::string plans;    ///< with `tune`: the file that keeps the choice; AZ_CUDNN_PLANS names it to later runs
};

struct BenchResult {
  double ms = 0, ms_min = 0;  ///< of a step; median and fastest
  double images_per_s = 0;
  double gflops = 0;           ///< of a step, convolutions only
  double peak_rss_mb = 0;      ///< of the process
  double postprocess_ms = -1;  ///< of one image's outputs; inference only
  int64_t runs = 0;
  int64_t graphs = 0;                                 ///< captured
  std::string graph_failure;                          ///< why the last capture that failed did; empty: none has
  double device_peak_mb = 0, device_reserved_mb = 0;  ///< of tensors, and taken from the driver
};

/// Times the peer's work: all towers and head outputs; in training the real losses, backward and an SGD step. A time
/// ends when the device has done the step; on a CUDA device it is a graph's replay, as in the trainer and the detector.
/// Error: an unknown model.
BenchResult bench_model(const BenchOptions& options, Device& device);

}  // namespace az::cli
