// Where a resized row or column comes from. Coordinates are computed in the element type, in PyTorch's order. An axis
// holds what all positions share; `first_from` finds the outputs that read a position, for gradients as gathers.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

enum class Resize { nearest, bilinear, bilinear_aligned };

struct ResizeShape {
  int64_t images, h_in, w_in, channels, h_out, w_out;
};

/// y[i] = low_weight * x[low] + high_weight * x[high].
template <class T>
struct LinearTap {
  int32_t low, high;
  T low_weight, high_weight;
};

/// First of `out` outputs whose tap does not lie below position `i`, walked to from a guess. Taps ascend.
template <class Axis>
AZ_HD int32_t first_from(const Axis& axis, int32_t i, int32_t guess) {
  int32_t o = guess < 0 ? 0 : guess < axis.out ? guess : axis.out;
  while (o > 0 && axis.low(o - 1) >= i) --o;
  while (o < axis.out && axis.low(o) < i) ++o;
  return o;
}

/// Output i copies position floor(i * in / out). PyTorch's, in float whatever the elements are.
template <class T>
struct NearestAxis {
  int32_t in, out;
  float scale, inverse;

  NearestAxis(int64_t in_size, int64_t out_size)
      : in(static_cast<int32_t>(in_size)),
        out(static_cast<int32_t>(out_size)),
        scale(static_cast<float>(in_size) / static_cast<float>(out_size)),
        inverse(1 / scale) {}

  AZ_HD int32_t low(int32_t i) const {
    if (in == out) return i;
    if (out == 2 * int64_t{in}) return i / 2;
    const auto source = static_cast<int32_t>(std::floor(static_cast<float>(i) * scale));
    return source < in - 1 ? source : in - 1;
  }
  AZ_HD LinearTap<T> tap(int32_t i) const {
    const int32_t source = low(i);
    return {source, source, T(1), T(0)};
  }
  /// The outputs that read position `i` are [first_reading(i), end_reading(i)).
  AZ_HD int32_t first_reading(int32_t i) const {
    return first_from(*this, i, static_cast<int32_t>(static_cast<float>(i) * inverse));
  }
  AZ_HD int32_t end_reading(int32_t i) const { return first_reading(i + 1); }
};

/// Output i interpolates between two positions.
template <class T>
struct LinearAxis {
  int32_t in, out;
  bool align_corners;
  T scale, inverse;

  LinearAxis(int64_t in_size, int64_t out_size, bool align)
      : in(static_cast<int32_t>(in_size)), out(static_cast<int32_t>(out_size)), align_corners(align) {
    if (!align)
      scale = static_cast<T>(in) / static_cast<T>(out);
    else
      scale = out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0);
    inverse = scale > T(0) ? T(1) / scale : T(0);
  }

  AZ_HD T source(int32_t i) const {
    if (align_corners) return static_cast<T>(i) * scale;
    const T at = (static_cast<T>(i) + T(0.5)) * scale - T(0.5);
    return at < T(0) ? T(0) : at;
  }
  AZ_HD int32_t low(int32_t i) const {
    if (in == out) return i;
    const auto at = static_cast<int32_t>(source(i));
    return at < in - 1 ? at : in - 1;
  }
  AZ_HD LinearTap<T> tap(int32_t i) const {
    if (in == out) return {i, i, T(1), T(0)};
    const int32_t below = low(i);
    T high_weight = source(i) - static_cast<T>(below);
    if (high_weight > T(1)) high_weight = T(1);
    return {below, below + 1 < in ? below + 1 : below, T(1) - high_weight, high_weight};
  }
  /// The outputs that may read position `i` are [first_reading(i), end_reading(i)): their low is i - 1 or i.
  AZ_HD int32_t first_reading(int32_t i) const { return first_from(*this, i - 1, guess(i - 1)); }
  AZ_HD int32_t end_reading(int32_t i) const { return first_from(*this, i + 1, guess(i + 1)); }

 private:
  AZ_HD int32_t guess(int32_t i) const {
    const T half = align_corners ? T(0) : T(0.5);
    return static_cast<int32_t>((static_cast<T>(i) + half) * inverse - half);
  }
};

}  // namespace az::math
