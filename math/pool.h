// Pooling windows.
#pragma once

#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// Windows along one axis: window o covers input positions [o * stride - padding, o * stride - padding + kernel).
/// Stride is Int, or a type that Int can be multiplied with and, where it is not negative, divided by.
template <class Int, class Stride = Int>
struct WindowsOf {
  Int kernel;
  Stride stride;
  Int padding;

  /// Number of windows over `size` positions, rounded down as PyTorch; below 1 where none fits.
  AZ_HD Int count(Int size) const {
    const Int room = size + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
  }
  AZ_HD Int begin(Int window) const { return window * stride - padding; }
  /// First window that covers position `i`, if any does.
  AZ_HD Int first_over(Int i) const {
    const Int after = i + padding - kernel;  // begin(window) > after is wanted
    return after < 0 ? 0 : after / stride + 1;
  }
  /// One past the last window that covers position `i`, out of `windows`.
  AZ_HD Int end_over(Int i, Int windows) const {
    const Int end = (i + padding) / stride + 1;
    return end < windows ? end : windows;
  }
};
using Windows = WindowsOf<int64_t>;

struct PoolShape {
  int64_t images, h_in, w_in, channels, h_out, w_out;
  Windows windows;  ///< the same for rows and columns
};

/// Whether `v` replaces the maximum so far: the first of equal values stays, a NaN always wins.
template <class T>
AZ_HD bool beats(T v, T best) {
  return (v > best) | (v != v);
}

}  // namespace az::math
