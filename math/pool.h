// Pooling windows.
#pragma once

#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// Windows along one axis: window o covers input positions [o * stride - padding, o * stride - padding + kernel).
struct Windows {
  int64_t kernel, stride, padding;

  /// Number of windows over `size` positions, rounded down as PyTorch; below 1 where none fits.
  AZ_HD int64_t count(int64_t size) const {
    const int64_t room = size + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
  }
  AZ_HD int64_t begin(int64_t window) const { return window * stride - padding; }
  /// First window that covers position `i`, if any does.
  AZ_HD int64_t first_over(int64_t i) const {
    const int64_t after = i + padding - kernel;  // begin(window) > after is wanted
    return after < 0 ? 0 : after / stride + 1;
  }
  /// One past the last window that covers position `i`, out of `windows`.
  AZ_HD int64_t end_over(int64_t i, int64_t windows) const {
    const int64_t end = (i + padding) / stride + 1;
    return end < windows ? end : windows;
  }
};

/// Whether `v` replaces the maximum so far: the first of equal values stays, a NaN always wins.
template <class T>
AZ_HD bool beats(T v, T best) {
  return (v > best) | (v != v);
}

}  // namespace az::math
