// Objects of the host and labels of the device: packing, and targets as tensors.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "cpu/ray_labels.h"
#include "cpu/rle.h"
#include "cuda/device.h"
#include "cuda/ray_labels.h"
#include "tensor/tensor.h"

namespace az::cuda {

/// The plan of a batch of padded images. Error: options that cpu::image_targets refuses, or more than 8 levels.
RayLabelPlan ray_label_plan(int padded_height, int padded_width, const cpu::LabelOptions& options);

/// The arrays of RayLabelInput, on the host.
struct RayLabelBatch {
  int images = 0;
  std::vector<int32_t> object_offsets, contour_offsets, points, centres, labels;
  std::vector<float> boxes;
  std::vector<double> directions;
  std::vector<uint8_t> ignored;  // empty: nowhere
};

/// One list of objects an image. Error: 2^31 contour points or more.
RayLabelBatch pack_objects(std::span<const std::vector<cpu::LabelObject>> images, const cpu::LabelOptions& options);

/// An object from a mask as run lengths: decoded and traced on the host.
cpu::LabelObject label_object(const cpu::Rle& mask, const std::array<float, 4>& box, int32_t label);

/// Dense targets of a batch, on the device; L locations of all levels.
struct RayLabelTensors {
  Tensor label;       // i32 [n, L], 0 background
  Tensor object;      // i32 [n, L], index within the image, -1 background
  Tensor box;         // f32 [n, L, 4]
  Tensor rays;        // f32 [n, L, rays]
  Tensor centerness;  // f32 [n, L]
};

/// Copies the packed objects to the device and computes their targets there, into tensors of these shapes; an undefined
/// one is left out.
void ray_labels(CudaDevice& device, const RayLabelPlan& plan, const RayLabelBatch& batch, RayLabelTensors& out);
/// The same into new tensors.
RayLabelTensors ray_labels(CudaDevice& device, const RayLabelPlan& plan, const RayLabelBatch& batch);

}  // namespace az::cuda
