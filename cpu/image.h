// Loops over 8-bit pictures: resize, flip, normalise, crop, warp. One thread: loader workers call them side by side.
// Integer arithmetic, or one rounding per element in a fixed order: the same bits for any instruction set.
#pragma once

#include <array>
#include <cstdint>

#include "cpu/contour.h"

namespace az::cpu {

/// A picture in somebody's memory: [height, width, channels], dense.
struct ImageView {
  const uint8_t* pixels = nullptr;
  int width = 0;
  int height = 0;
  int channels = 3;
};

/// Bilinear resize as OpenCV's for 8 bits (math/image.h), any channel count.
/// out      [height, width, source.channels]
/// Error: an empty source or target.
void resize_bilinear(const ImageView& source, int width, int height, uint8_t* out);

/// Nearest-neighbour resize of a one-channel picture, of which only `part` of the result is computed.
/// source   the part `source_part` of a picture of old_width x old_height; pixels outside it are 0
/// out      [part.height, part.width], the part `part` of the result of new_width x new_height
struct NearestResize {
  int old_width = 0;
  int old_height = 0;
  int new_width = 0;
  int new_height = 0;
};
void resize_nearest(const uint8_t* source, const Rect& source_part, const NearestResize& sizes, const Rect& part,
                    uint8_t* out);
/// The part of the resized picture that pixels of `source_part` can reach (empty when they vanish).
Rect nearest_reach(const Rect& source_part, const NearestResize& sizes);

/// Left becomes right. `out` [height, width, channels] must not overlap the source.
void flip_horizontal(const ImageView& source, uint8_t* out);

/// How a picture becomes the network's input.
struct Normalise {
  std::array<float, 3> mean{};  ///< in the order of the output's channels
  std::array<float, 3> std{1, 1, 1};
  bool bgr = false;   ///< output channels B, G, R of an R, G, B picture
  bool flip = false;  ///< mirrored: pixel x goes to width - 1 - x
};

/// (pixel - mean) / std in f32, mirrored on request, into the upper left of a larger picture; the rest becomes 0.
/// source   3 channels, not larger than the target
/// out      [padded_height, padded_width, 3] f32
/// Error: channels other than 3, or a source larger than the target.
void normalise(const ImageView& source, const Normalise& how, int padded_width, int padded_height, float* out);

/// Where a picture lands in the network's input: stretched, then a window cut out of it or put around it.
struct InputPlace {
  int resized_width = 0;
  int resized_height = 0;
  int left = 0;  ///< upper left corner of the window in the stretched picture; may lie outside it
  int top = 0;
  int width = 0;  ///< of the window
  int height = 0;
  std::array<uint8_t, 4> fill{};  ///< around the picture, before normalisation, in the order of the source's channels
  /// Source pixels that the stretched picture shows, where that is no whole number: a picture of 427 rows decoded at
  /// half its size has 214, the last of which is half beyond the edge. 0: all.
  double source_width = 0, source_height = 0;
};

/// resize_bilinear, padded_crop and normalise one after the other, to the bit, in one pass and without the pictures
/// between them.
/// source   [height, width, 3]
/// out      [padded_height, padded_width, 3] f32
/// Error: channels other than 3, an empty source or stretched picture, or a window larger than the target.
void resize_normalise(const ImageView& source, const InputPlace& place, const Normalise& how, int padded_width,
                      int padded_height, float* out);

/// out(x, y) = source(x + left, y + top), `fill` (one value per channel, at most 4) outside the source.
/// out      [height, width, channels]; left and top may be negative
void padded_crop(const ImageView& source, int left, int top, int width, int height, const std::array<uint8_t, 4>& fill,
                 uint8_t* out);

/// A map of positions: x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5].
using Affine = std::array<double, 6>;

/// out(x, y) = source at to_source(x, y), bilinear between pixel centres with positions and weights of 1/256 pixel;
/// pixels outside the source count as `fill`.
/// out      [height, width, channels], channels at most 4
/// Error: a matrix that is not finite or has entries beyond 2^20; a side above 65536.
void warp_affine(const ImageView& source, const Affine& to_source, int width, int height,
                 const std::array<uint8_t, 4>& fill, uint8_t* out);

}  // namespace az::cpu
