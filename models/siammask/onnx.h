// SiamMask as ONNX graphs (specs/siammask.md sections 2 to 5).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/siammask/model.h"
#include "nn/onnx.h"

namespace az::models {

struct SiamOnnxOptions {
  int64_t images = 1;                              ///< templates, searches and refined cells a run
  int64_t template_side = 127, search_side = 255;  ///< px
};

/// The network in the parts that a tracker runs; s = 25 cells for a search of 255. Images are BGR in 0..255.
///
/// template  template [n, 3, 127, 127] -> kernel_classes, kernel_boxes, kernel_masks [n, channels, 5, 5]
/// search    search [n, 3, 255, 255] and the kernels -> classes [n, 2 anchors, s, s], boxes [n, 4 anchors, s, s], and
///           base: masks [n, 63 * 63, s, s]; sharp: correlation [n, channels, s, s], p0, p1, p2
/// refine    (sharp) p0, p1, p2, correlation, cells [n, 3] i32 (image, row, column; on the map) -> masks
///           [n, 1, 127, 127]
std::vector<nn::OnnxPart> onnx_parts(SiamMask& network, const SiamOnnxOptions& options, Device& device);

/// The options of the network that tensors of these names and shapes (OIHW) belong to: the authors' or pysot's names.
/// Error: what is missing; the names are no SiamMask's.
SiamMaskOptions siammask_options_of(const std::map<std::string, Shape>& state);

}  // namespace az::models
