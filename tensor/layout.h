// Between the files' layouts, which are PyTorch's, and ours. Done on the host, for checkpoints and golden cases only.
#pragma once

#include "tensor/tensor.h"

namespace az {

/// Convolution weight [o, i, h, w] of a file -> ours [o, h, w, i]; also NCHW -> NHWC of images and feature maps. Any
/// dtype, own storage on the same device. Error: not rank 4.
Tensor oihw_to_ohwi(const Tensor& weight);
/// Our shape of a file's [o, i, h, w].
Shape oihw_to_ohwi(const Shape& weight);
/// The same in host memory: elements of `bytes` (1, 2, 4 or 8) at `from`, which is [o, i, h, w], go to `to`.
void oihw_to_ohwi(const void* from, const Shape& weight, int64_t bytes, void* to);
/// The same in place.
void oihw_to_ohwi_in_place(void* weight, const Shape& shape, int64_t bytes);
/// Ours [o, h, w, i] -> [o, i, h, w]; also NHWC -> NCHW.
Tensor ohwi_to_oihw(const Tensor& weight);

}  // namespace az
