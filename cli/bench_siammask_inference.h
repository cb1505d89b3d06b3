// azimuth bench siammask-r50 infer.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/device.h"
#include "tensor/dtype.h"

namespace az::cli {

struct SiamMaskInferenceOptions {
  int64_t batch = 1;  ///< search crops a step
  DType activations = DType::f32;
  bool graphs = true;   ///< on a CUDA device: capture and replay
  double seconds = 10;  ///< of each of the three measurements, at least three runs
};

struct SiamMaskInferenceBench {
  double ms = 0, ms_min = 0;  ///< of the peer's work: a search step of the base variant, the masks of all 625 cells
  double gflops = 0;          ///< of it, convolutions only
  double sharp_ms = 0;        ///< of a tracker's step: classes, boxes, the best cell and its mask by Refine
  double template_ms = 0;     ///< once a sequence
  double frame_ms = 0;        ///< of whole frames: crop, step, mask pasted, rotated box; read from memory
  double peak_rss_mb = 0;     ///< of the process
  int64_t runs = 0, graphs = 0;
  std::string graph_failure;
};

/// Times search crops of 255 with templates that are there already.
SiamMaskInferenceBench bench_siammask_inference(const SiamMaskInferenceOptions& options, Device& device);

}  // namespace az::cli
