// PolarMask as an ONNX graph.
#pragma once

#include "models/polarmask/model.h"
#include "nn/onnx.h"

namespace az::models {

/// image [n, 3, h, w], normalised as for the network -> of each level p3, p4, ..: classes_p3 [n, classes, h3, w3]
/// logits, centerness_p3 [n, 1, h3, w3] logits, rays_p3 [n, rays, h3, w3] and, with the box branch, boxes_p3 [n, 4, h3,
/// w3] in pixels. Decoding and suppression are not in it.
///
/// first_level  3 where the pyramid starts at C3
nn::OnnxPart onnx_part(PolarMask& network, int64_t images, int64_t h, int64_t w, int first_level, Device& device);

}  // namespace az::models
