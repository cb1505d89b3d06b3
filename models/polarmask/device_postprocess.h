// PolarMask's post-processing on a CUDA device: the detections of postprocess.h, to the bit.
//
// Every buffer has a fixed size and every count stays on the device, so that enqueue() is a sequence of launches that
// waits for nothing and may be captured in a graph together with the network. The pictures' geometry is read from a
// buffer on the device: pictures of one padded shape share a graph.
#pragma once

#include <span>
#include <vector>

#include "models/polarmask/model.h"
#include "models/polarmask/postprocess.h"

namespace az::models::polarmask {

class DevicePostprocess {
 public:
  /// For batches of `images` pictures; `strides` of the levels. Errors: options out of range; a build or a device
  /// without kernels.
  DevicePostprocess(const PostprocessOptions& options, std::vector<int> strides, int images, Device& device);

  /// The pictures of what is queued next, one an image. Error: another number of pictures, or one without pixels.
  void set_geometry(std::span<const ImageGeometry> pictures);
  /// Queues the post-processing of the network's outputs, f32. Error: outputs that do not fit the options.
  void enqueue(const PolarOutputs& outputs);
  /// Waits, and returns what the last enqueue() found, one an image: a single copy from the device.
  std::vector<Detections> fetch() const;

 private:
  PostprocessOptions options_;
  std::vector<int> strides_;
  int images_;
  Device& device_;
  Tensor directions_;  // [rays, 2]
  Tensor frames_;      // [images, 4], math::PolarFrame
  Tensor result_;      // i32 [images, cuda::polar_result_words]
};

}  // namespace az::models::polarmask
