// Between the files' layouts, which are PyTorch's, and ours. Done on the host, for checkpoints and golden cases only.
#pragma once

#include "tensor/tensor.h"

namespace az {

/// Convolution weight [o, i, h, w] of a file -> ours [o, h, w, i]; also NCHW -> NHWC of images and feature maps. Any
/// dtype, own storage on the same device. Error: not rank 4.
Tensor oihw_to_ohwi(const Tensor& weight);
/// Ours [o, h, w, i] -> [o, i, h, w]; also NHWC -> NCHW.
Tensor ohwi_to_oihw(const Tensor& weight);

}  // namespace az
