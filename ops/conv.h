// Convolution with everything that can ride along.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "ops/pool.h"
#include "tensor/tensor.h"

namespace az::ops {

struct Conv2dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
};

/// What follows the sums; an undefined tensor is absent.
struct Epilogue {
  Tensor scale = {};     ///< [k], a folded norm's factor; a constant
  Tensor bias = {};      ///< [k], learned or a folded norm's shift
  Tensor residual = {};  ///< [n, oh, ow, k]; y takes its memory on the CPU if it is moved in and nobody else holds it.
                         ///< Or [n, oh / 2, ow / 2, k]: each pixel is added to a square of 2x2, as resize_nearest does
  bool relu = false;
  std::optional<MaxPool> pool = {};  ///< comes last; on the CPU without a tape the map before it is never in memory
};

/// y = max_pool(relu(conv(x, w) * scale + bias + residual)).
///
/// x        [n, h, w, c]            f32, bf16, f16, or f64 (plain loops, for gradient checks)
/// w        [k, r, s, c / groups]   PyTorch's OIHW with the input channels last; beside a bf16 or f16 x, w, scale and
///                                  bias are f32, w * scale is rounded to x's type, sums are f32 and y is rounded once
/// returns  [n, oh, ow, k] before the pool, oh = (h + 2 padding - dilation (r - 1) - 1) / stride + 1
/// grad     of x, w, bias and residual; the mask of the ReLU is taken from y
Tensor conv2d(const Tensor& x, const Tensor& w, const Conv2dOptions& options = {}, Epilogue epilogue = {});

/// conv2d of several maps with the same weights, as the levels of a pyramid: one tensor for each x. On the CPU they are
/// one piece of work by one algorithm, that of the largest map, so the last bits of the small ones may differ from
/// conv2d's. Error: a residual or a pool; no maps; what conv2d says.
std::vector<Tensor> conv2d_levels(const std::vector<Tensor>& x, const Tensor& w, const Conv2dOptions& options = {},
                                  const Epilogue& epilogue = {});

/// y = exp(min(scale * x, limit)) of a level.
struct LevelExp {
  Tensor scale = {};  ///< one f32 element
  double limit = std::numeric_limits<double>::infinity();
};

/// exp_scaled of conv2d_levels, an `exps` for each map; on the CPU without a tape the exponentials are taken while the
/// outputs are in a cache. f32 beside an x of 16 bits. Errors: what conv2d_levels and exp_scaled say; another number of
/// `exps`.
std::vector<Tensor> conv2d_levels_exp(const std::vector<Tensor>& x, const Tensor& w, const Conv2dOptions& options,
                                      const Epilogue& epilogue, const std::vector<LevelExp>& exps);

}  // namespace az::ops
