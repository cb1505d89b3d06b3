// How a 511 x 511 crop becomes an exemplar or a search crop in training (specs/siammask.md section 10;
// foolwood/SiamMask datasets/siam_mask_dataset.py, utils/bbox_helper.py): a shifted and stretched window around the
// middle, an offset of its colours, a cross-shaped blur. Boxes and masks follow the window.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "data/crop511.h"
#include "data/image.h"
#include "tensor/rng.h"

namespace az::data {

struct SiamAugment {
  double shift = 0;  ///< the window moves by up to this many pixels of the 511 crop, per axis
  double scale = 0;  ///< and is stretched by up to this share, per axis
  double blur = 0;   ///< probability
  double flip = 0;   ///< probability of a mirrored crop
};

/// Four independent uniform numbers in [-1, 1).
struct SiamDraws {
  double shift_x = 0, shift_y = 0, scale_x = 0, scale_y = 0;
};
/// Draws them in that order.
SiamDraws draw_siam_window(Rng& rng);

/// The part of a picture that becomes a crop.
struct SiamWindow {
  CornerBox corners;                ///< these land on 0 and side - 1
  double scale_x = 1, scale_y = 1;  ///< as drawn
};
/// The window of side - 1 pixels around the middle of a picture of `picture_side`, stretched, then shifted as far as
/// the picture reaches. Error: a window that is no picture.
SiamWindow siam_window(int picture_side, int side, const SiamAugment& augment, const SiamDraws& draws);
/// A box of the picture in the crop.
CornerBox siam_box(const SiamWindow& window, const CornerBox& box);
/// The box of an object of this size in its 511 crop: around the middle (255, 255).
CornerBox box_in_crop511(double width, double height);

/// A kernel of size x size that is 0 but for its middle column and row.
struct CrossBlur {
  int size = 1;       ///< odd
  double column = 0;  ///< the middle column's weights add up to this, the row's to 1 - this
};
/// Nothing in most cases: `probability`, then a size 2 round(N(0, 1)) + 1 that must be positive, then one of two.
std::optional<CrossBlur> draw_blur(double probability, Rng& rng);
/// In place on [side, side, 3]; beyond the border the picture is reflected without its edge.
void apply_blur(const CrossBlur& blur, int side, std::vector<float>& picture);

/// What is subtracted from B, G, R: M n, with n three standard normal numbers.
std::array<float, 3> draw_colour_offset(Rng& rng);

/// The picture as one channel, with OpenCV's weights for 8 bits.
Image to_grey(const Image& picture);

/// The window of an 8-bit picture (one channel counts as three equal ones), black outside, rounded, without clipping
/// less the offset. Returns [side, side, 3] in the order B, G, R.
std::vector<float> siam_pixels(const Image& picture, const SiamWindow& window, int side,
                               const std::array<float, 3>& offset);
/// The window of a mask picture, of which every byte but 0 is foreground: [side, side] of 1 and -1.
std::vector<int8_t> siam_mask(const Image& mask, const SiamWindow& window, int side);

/// Left becomes right: pixels [side, side, channels], and a box in them.
template <class Value>
void mirror(int side, int channels, std::vector<Value>& pixels) {
  for (int y = 0; y < side; ++y) {
    Value* const row = pixels.data() + ptrdiff_t{y} * side * channels;
    for (int x = 0; x < side / 2; ++x)
      for (int c = 0; c < channels; ++c) std::swap(row[x * channels + c], row[(side - 1 - x) * channels + c]);
  }
}
CornerBox mirror(int side, const CornerBox& box);

}  // namespace az::data
