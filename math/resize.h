// Where a resized row or column comes from. Coordinates are computed in the element type, in PyTorch's order.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// Source of position `i` of `out`, out of `in` positions. PyTorch's, in float whatever the elements are.
AZ_HD inline int64_t nearest_source(int64_t i, int64_t in, int64_t out) {
  if (in == out) return i;
  if (out == 2 * in) return i / 2;
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  const auto source = static_cast<int64_t>(std::floor(static_cast<float>(i) * scale));
  return source < in - 1 ? source : in - 1;
}

/// y[i] = low_weight * x[low] + high_weight * x[high].
template <class T>
struct LinearTap {
  int64_t low, high;
  T low_weight, high_weight;
};

template <class T>
AZ_HD LinearTap<T> linear_tap(int64_t i, int64_t in, int64_t out, bool align_corners) {
  if (in == out) return {i, i, T(1), T(0)};
  T source;
  if (align_corners) {
    source = out > 1 ? static_cast<T>(i) * (static_cast<T>(in - 1) / static_cast<T>(out - 1)) : T(0);
  } else {
    source = (static_cast<T>(i) + T(0.5)) * (static_cast<T>(in) / static_cast<T>(out)) - T(0.5);
    if (source < T(0)) source = T(0);
  }
  int64_t low = static_cast<int64_t>(source);
  if (low > in - 1) low = in - 1;
  T high_weight = source - static_cast<T>(low);
  if (high_weight > T(1)) high_weight = T(1);
  return {low, low + 1 < in ? low + 1 : low, T(1) - high_weight, high_weight};
}

}  // namespace az::math
