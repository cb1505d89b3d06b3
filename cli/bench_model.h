// azimuth bench MODEL infer/train, and bench peak.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/device.h"
#include "tensor/dtype.h"

namespace az::cli {

struct BenchOptions {
  std::string model = "polarmask-r50";
  bool train = false;
  int64_t height = 800, width = 1333;  ///< pixels; padded to multiples of 32
  int64_t batch = 1;
  double seconds = 10;  ///< measured for, at least three runs
  DType activations = DType::f32;
  bool graphs = true;  ///< on a CUDA device: capture and replay
  bool tune = false;   ///< on a GPU: the first run times cuDNN's plans and keeps the fastest
  std::string plans;   ///< with `tune`: the file that keeps the choice; AZ_CUDNN_PLANS names it to later runs
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

struct PeakResult {
  double matmul_gflops = 0;  ///< matrix product of 2048 (on a GPU 8192), best of several
  double copy_gb_s = 0;      ///< bytes read and written by a copy of 256 MiB (on a GPU 1 GiB)
};
/// What this machine reaches with the threads it is given, or the device; the product is of `dtype`.
PeakResult bench_peak(Device& device, DType dtype = DType::f32);

}  // namespace az::cli
