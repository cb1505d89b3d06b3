// Times of work on a device, and the process's memory, for benchmarks.
#pragma once

#include <functional>
#include <vector>

#include "tensor/device.h"

namespace az::cli {

/// Sorted milliseconds of at least three runs in `seconds`, each until the device is done, after two to warm up.
std::vector<double> time_runs(Device& device, const std::function<void()>& work, double seconds);

/// The most resident memory that this process has had, in MB (2^20 bytes).
double peak_rss_mb();

}  // namespace az::cli
