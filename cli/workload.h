// A network and made-up inputs: the work that `bench MODEL` times and `profile` takes apart.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "models/polarmask/model.h"
#include "models/polarmask/postprocess.h"
#include "ops/step_runner.h"
#include "tensor/device.h"
#include "tensor/dtype.h"

namespace az::cli {

struct WorkloadOptions {
  std::string model = "polarmask-r50";
  bool train = false;
  int64_t height = 800, width = 1333;  ///< pixels; padded to multiples of 32
  int64_t batch = 1;
  DType activations = DType::f32;
  bool graphs = true;  ///< on a CUDA device: capture and replay
};

/// The peer's work: all towers and head outputs; in training the real losses, backward and an SGD step.
class Workload {
 public:
  /// Error: an unknown model.
  Workload(const WorkloadOptions& options, Device& device);
  ~Workload();

  /// An inference or a training step, as the detector and the trainer run it: inside a step of the arena, on a CUDA
  /// device a graph's replay. Does not wait for the device.
  void step();
  /// Error: gradients of a training step were not finite. Waits.
  void check();
  /// All head outputs, without a tape.
  models::PolarOutputs outputs();

  models::PolarMask& network() { return network_; }
  const ops::StepRunner& runner() const { return runner_; }
  int64_t height() const { return image_.dim(1); }  ///< padded
  int64_t width() const { return image_.dim(2); }

 private:
  class TrainingStep;
  Tensor input() const;

  WorkloadOptions options_;
  models::PolarMask network_;
  Tensor image_;
  ops::StepRunner runner_;
  std::unique_ptr<TrainingStep> training_;
};

/// A tensor of numbers from 0 to 1 that are the same in every run.
Tensor random_image(const Shape& shape, Device& device);

/// The class probability that `count` entries exceed: an untrained network's all lie near the prior, a trained one has
/// a few thousand candidates in a busy picture.
float threshold_for(const models::PolarOutputs& outputs, size_t count);

/// A picture of the network's input size, not resized.
models::polarmask::ImageGeometry whole_picture(int64_t height, int64_t width);

/// Decodes the first image of `outputs` on the host: candidates above `threshold`, suppression, polygons' masks.
void postprocess_first(const models::PolarOutputs& outputs, const models::polarmask::ImageGeometry& geometry,
                       float threshold);

}  // namespace az::cli
