// Sampling rules of 8-bit pictures. x runs right, y down; pixel centres lie at integers, so the picture's edge is at
// -0.5.
//
// The bilinear rule is OpenCV's fixed-point one, which the references' pipelines call: weights of 11 bits, an exact
// horizontal pass, and a vertical pass that drops bits twice. Integer arithmetic: the same bits everywhere.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

inline constexpr int kResizeOne = 2048;  ///< a bilinear weight of 1

/// Two neighbouring source positions and their weights, which add to kResizeOne.
struct BilinearTap {
  int first;
  int second;
  int weight_first;
  int weight_second;
};

/// Source pixels to a destination pixel, in the order of OpenCV's divisions.
AZ_HD inline double source_step(int old_size, int new_size) { return 1.0 / (static_cast<double>(new_size) / old_size); }

/// Where destination position `d` samples a source of `old_size` pixels when it becomes `new_size`:
/// (d + 0.5) * old/new - 0.5; the weight is rounded to 1/2048, ties to even. Beyond an edge both are the edge's pixel,
/// with the weights that they would have: the vertical pass rounds each product, so that makes a difference.
/// step is source_step(old_size, new_size)
AZ_HD inline BilinearTap bilinear_tap_at(int d, double step, int old_size) {
  const float position = static_cast<float>((d + 0.5) * step - 0.5);
  const int below = static_cast<int>(floorf(position));
  const float fraction = position - static_cast<float>(below);
  const int last = old_size - 1;
  const int first = below < 0 ? 0 : (below < last ? below : last);
  const int second = below + 1 < 0 ? 0 : (below + 1 < last ? below + 1 : last);
  const int weight_second = static_cast<int>(rintf(fraction * kResizeOne));
  return {first, second, kResizeOne - weight_second, weight_second};
}

AZ_HD inline BilinearTap bilinear_tap(int d, int old_size, int new_size) {
  return bilinear_tap_at(d, source_step(old_size, new_size), old_size);
}

/// Horizontal pass: the exact sum without its low four bits, 0..32640, so that 16 bits hold it.
AZ_HD inline int16_t resize_row(int first, int second, BilinearTap tap) {
  return static_cast<int16_t>((first * tap.weight_first + second * tap.weight_second) >> 4);
}

/// Vertical pass over two results of resize_row, weights 0..2048: 0..255.
AZ_HD inline uint8_t resize_column(int16_t upper, int16_t lower, int16_t weight_upper, int16_t weight_lower) {
  const int sum = ((upper * weight_upper) >> 16) + ((lower * weight_lower) >> 16);
  return static_cast<uint8_t>((sum + 2) >> 2);
}

/// Source position of a nearest-neighbour resize: floor(d / (new/old)), clamped.
/// step is source_step(old_size, new_size)
AZ_HD inline int nearest_source_at(int d, double step, int old_size) {
  const int source = static_cast<int>(floor(d * step));
  return source < old_size - 1 ? source : old_size - 1;
}
AZ_HD inline int nearest_source(int d, int old_size, int new_size) {
  return nearest_source_at(d, source_step(old_size, new_size), old_size);
}

// An affine warp samples with positions and weights of 1/256 pixel. Positions advance in 1/65536 of that, so that the
// error over a row stays below a weight's step.
inline constexpr int kWarpFractionBits = 8;
inline constexpr int kWarpOne = 1 << kWarpFractionBits;  ///< a weight of 1
inline constexpr int kWarpExtraBits = 16;

/// An entry of the matrix that leads from target to source positions, |entry| <= 2^20.
AZ_HD inline int64_t warp_entry(double entry) {
  return static_cast<int64_t>(llrint(ldexp(entry, kWarpFractionBits + kWarpExtraBits)));
}

/// A source coordinate, in 1/256 pixel, from a row of three entries; x, y below 2^16. On the way along a row the sum
/// before the shift grows by entries[0].
inline constexpr int64_t kWarpHalf = int64_t{1} << (kWarpExtraBits - 1);
AZ_HD inline int64_t warp_position(const int64_t* entries, int64_t x, int64_t y) {
  return (entries[0] * x + entries[1] * y + entries[2] + kWarpHalf) >> kWarpExtraBits;
}

/// The bilinear sum of four neighbours; weights of the right and the lower ones, 0..255.
AZ_HD inline uint8_t warp_blend(int upper_left, int upper_right, int lower_left, int lower_right, int right_weight,
                                int lower_weight) {
  const int upper = upper_left * (kWarpOne - right_weight) + upper_right * right_weight;
  const int lower = lower_left * (kWarpOne - right_weight) + lower_right * right_weight;
  return static_cast<uint8_t>((upper * (kWarpOne - lower_weight) + lower * lower_weight + kWarpOne * kWarpOne / 2) >>
                              (2 * kWarpFractionBits));
}

/// (value - mean) / std in f32.
AZ_HD inline float normalised(uint8_t value, float mean, float std) { return (static_cast<float>(value) - mean) / std; }

}  // namespace az::math
