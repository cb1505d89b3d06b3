// Windows of maps. f32, bf16, f16 or f64.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// Where cells lie on a map: cell (i, j) begins at row stride * i + offset, column stride * j + offset.
struct WindowGrid {
  int32_t stride = 1, offset = 0;
};

/// y[k] = h rows and w columns of the map from cell k on, zero outside the map.
///
/// x        [n, h_in, w_in, c]
/// cells    [m, 3] i32: image, row, column; windows may lie outside the map. On the CPU an image that is not there is
///          an error; on a CUDA device, where cells may come from a kernel, it gives zeros
/// returns  [m, h, w, c]
/// grad     x: each pixel takes the sum over the windows that hold it
Tensor windows(const Tensor& x, const Tensor& cells, int64_t h, int64_t w, const WindowGrid& grid = {});

/// The same window of every image.   x [n, h_in, w_in, c] -> [n, h, w, c]. Error: it is not wholly on the map.
Tensor crop(const Tensor& x, int64_t top, int64_t left, int64_t h, int64_t w);

}  // namespace az::ops
