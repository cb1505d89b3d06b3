// Geometry of a convolution.
#pragma once

#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// A square-kernel convolution: x [n, h, w, c] with weights [k, r, s, c / groups] gives y [n, oh, ow, k].
struct ConvShape {
  int64_t n = 1, h = 0, w = 0, c = 0;
  int64_t k = 0, r = 1, s = 1;
  int64_t stride = 1, padding = 0, dilation = 1, groups = 1;

  AZ_HD int64_t oh() const { return (h + 2 * padding - dilation * (r - 1) - 1) / stride + 1; }
  AZ_HD int64_t ow() const { return (w + 2 * padding - dilation * (s - 1) - 1) / stride + 1; }
  AZ_HD int64_t x_count() const { return n * h * w * c; }
  AZ_HD int64_t w_count() const { return k * r * s * (c / groups); }
  AZ_HD int64_t y_count() const { return n * oh() * ow() * k; }
  /// Of one pass; taps that fall outside the picture count too.
  double flops() const { return 2.0 * static_cast<double>(y_count()) * static_cast<double>(r * s * (c / groups)); }
  bool operator==(const ConvShape&) const = default;
};

}  // namespace az::math
