// azimuth bench siammask-r50 train.
#pragma once

#include <vector>

#include "cli/siammask_workload.h"

namespace az::cli {

struct SiamMaskTrainBench {
  double ms = 0, ms_min = 0;  ///< of a step; median and fastest
  double images_per_s = 0;    ///< pairs
  double gflops = 0;          ///< of a step, convolutions only
  double peak_rss_mb = 0;     ///< of the process
  int64_t runs = 0;
};

/// Times training steps for so many seconds.
SiamMaskTrainBench bench_siammask_training(const SiamMaskWorkloadOptions& options, double seconds, Device& device);
/// The losses of the first steps, which bench/peers/siammask_train_peer.py compares with PyTorch's.
std::vector<double> siammask_losses(const SiamMaskWorkloadOptions& options, int steps, Device& device);

}  // namespace az::cli
