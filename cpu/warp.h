// Affine warps with exact bilinear weights, for what must agree with the references' crops to a grey level.
// cpu/image.h has the warp with positions of 1/256 pixel.
#pragma once

#include <array>
#include <cstdint>

#include "cpu/image.h"

namespace az::cpu {

/// A picture of floats in somebody's memory: [height, width, channels], dense.
struct FloatView {
  const float* pixels = nullptr;
  int width = 0;
  int height = 0;
  int channels = 1;
};

/// out(x, y) = source at to_source(x, y): bilinear between pixel centres at whole numbers, positions in double, sums in
/// f32. Pixels outside the source count as `fill`. An 8-bit result is rounded, ties to even. One thread.
/// source   [source height, source width, channels], channels at most 4
/// out      [height, width, channels]
/// Error: channels outside 1 to 4, a negative side, a matrix that is not finite.
/// source of the rule: OpenCV 5's warpAffine with INTER_LINEAR and BORDER_CONSTANT
void warp_exact(const ImageView& source, const Affine& to_source, int width, int height,
                const std::array<uint8_t, 4>& fill, uint8_t* out);
void warp_exact(const ImageView& source, const Affine& to_source, int width, int height,
                const std::array<uint8_t, 4>& fill, float* out);
void warp_exact(const FloatView& source, const Affine& to_source, int width, int height,
                const std::array<float, 4>& fill, float* out);

}  // namespace az::cpu
