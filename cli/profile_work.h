// The steps that `azimuth profile` takes apart.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/workload.h"
#include "nn/module.h"
#include "tensor/device.h"

namespace az::cli {

class ProfileWork {
 public:
  virtual ~ProfileWork() = default;
  /// Starts and stops what runs beside the steps (the loader's threads); a profiler begins before and ends after.
  virtual void begin() {}
  virtual void end() {}
  /// One step, until the device has done it.
  virtual void run() = 0;
  /// Error: the steps' numbers were not finite.
  virtual void check() = 0;
  virtual nn::Module& network() = 0;
  /// "1x800x1344"; of the last step where they differ.
  virtual std::string size() const = 0;
};

/// The work of `bench MODEL`; PolarMask's outputs of an inference are then decoded, on the host. Error: an unknown
/// model, or siammask-r50's training in bf16.
std::unique_ptr<ProfileWork> made_up_work(const WorkloadOptions& options, Device& device);

/// Training as a configuration has it: its data set, loader and optimizer. Nothing is saved.
/// Errors: as `train`.
std::unique_ptr<ProfileWork> configured_training(const std::string& config, const std::vector<std::string>& overrides,
                                                 Device& device, DType activations);

}  // namespace az::cli
