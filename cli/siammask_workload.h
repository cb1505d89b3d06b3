// SiamMask's base network with made-up crops: what `bench siammask-r50` times and `profile siammask-r50` takes apart.
#pragma once

#include <cstdint>

#include "models/siammask/losses.h"
#include "ops/step_runner.h"
#include "tensor/device.h"
#include "train/optimizer.h"

namespace az::cli {

struct SiamMaskWorkloadOptions {
  int64_t batch = 2;   ///< pairs a step
  double lr = 0.001;   ///< of SGD with momentum, gradients clipped to 10
  bool graphs = true;  ///< on a CUDA device: capture and replay
};

struct SiamMaskSearchOptions {
  int64_t batch = 1;  ///< search crops
  DType activations = DType::f32;
  bool graphs = true;  ///< on a CUDA device: capture and replay
};

/// A search step: crops of 255 against kept kernels, the classes, boxes and masks of every cell.
class SiamMaskSearchWork {
 public:
  SiamMaskSearchWork(const SiamMaskSearchOptions& options, Device& device);

  /// Inside the arena, on a CUDA device a graph's replay. Does not wait for the device.
  void step();
  models::SiamMask& network() { return network_; }
  const ops::StepRunner& runner() const { return runner_; }

 private:
  models::SiamMask network_;
  Tensor search_;
  models::SiamTemplate kernels_;
  ops::StepRunner runner_;
};

/// Epoch 0 of the first stage: crops of 127 and 255, the backbone frozen, real losses, backward and an SGD step.
/// Weights, inputs and targets are the fill's (nn/reference_fill.h), the same in bench/peers/siammask_train_peer.py.
class SiamMaskTrainingWork {
 public:
  SiamMaskTrainingWork(const SiamMaskWorkloadOptions& options, Device& device);

  /// A step inside the arena, on a CUDA device a graph's replay. Does not wait for the device.
  void step();
  /// The last step's loss, before its update. Waits. Error: its gradients were not finite.
  double loss();
  models::SiamMask& network() { return network_; }
  const ops::StepRunner& runner() const { return runner_; }

 private:
  void enqueue();

  SiamMaskWorkloadOptions options_;
  models::SiamMask network_;
  train::Optimizer optimizer_;
  Tensor exemplar_, search_, loss_;
  models::SiamTargets targets_;
  ops::StepRunner runner_;
};

}  // namespace az::cli
