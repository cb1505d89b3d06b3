// PolarMask from a picture to instances.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "cpu/rle.h"
#include "data/image.h"
#include "models/polarmask/config.h"
#include "models/polarmask/device_postprocess.h"
#include "models/polarmask/postprocess.h"
#include "ops/step_runner.h"

namespace az::models {

/// A picture as the network's input.
struct PreparedImage {
  Tensor pixels;  ///< [1, height, width, 3] f32, normalised and padded
  polarmask::ImageGeometry geometry;
};

/// Resize, normalise and pad as configured for testing. Runs on any thread; `host` is a device in the host's memory.
PreparedImage prepare_image(const data::Image& image, const PolarDataConfig& config, Device& host);

/// One object found in a picture. Coordinates are the picture's.
struct Instance {
  int32_t label = 0;                           ///< 0-based class
  float score = 0;                             ///< may exceed 1: class probability times (centerness + 0.5)
  std::array<double, 4> box{};                 ///< x, y, width, height
  std::vector<std::array<double, 2>> polygon;  ///< one vertex a ray, ray k at k * 360 / rays degrees from straight down
  std::array<double, 2> centre{};              ///< the location that predicted it
  cpu::Rle mask;                               ///< the filled polygon, edge pixels included
};

struct DetectorOptions {
  DType activations = DType::f32;  ///< or bf16, f16
  bool graphs = true;              ///< on a CUDA device: capture and replay
};

/// A network with its options. Not for several threads at once.
///
/// On a CUDA device network and post-processing are one sequence of launches, from the third picture of a shape on one
/// CUDA graph, and the host waits once, for the detections.
class PolarDetector {
 public:
  /// The network is shared with whoever trains it.
  PolarDetector(PolarMask& network, const PolarMaskConfig& config, int64_t classes, Device& device,
                const DetectorOptions& how = {});

  std::vector<Instance> detect(const PreparedImage& image);
  std::vector<Instance> detect(const data::Image& image);

  /// Graphs in use, one a shape, and why the last capture that failed did (empty: none has).
  int64_t graphs() const { return runner_->graphs(); }
  std::string graph_failure() const { return runner_->failure(); }

 private:
  polarmask::Detections detect_on_host(const PreparedImage& image);
  polarmask::Detections detect_on_device(const PreparedImage& image);
  PolarOutputs forward(const Tensor& pixels);

  PolarMask& network_;
  PolarMaskConfig config_;
  polarmask::PostprocessOptions options_;
  Device& device_;
  DetectorOptions how_;
  std::unique_ptr<ops::StepRunner> runner_;

  // On a CUDA device.
  std::unique_ptr<Device> host_;  // where pictures are prepared
  std::unique_ptr<polarmask::DevicePostprocess> postprocess_;
  uint64_t network_version_ = 0;
  Tensor input_;  // [elements] of the largest picture yet: graphs read it there
};

}  // namespace az::models
