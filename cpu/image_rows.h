// The horizontal pass of the bilinear resize, row by row; what the resizes of pictures share.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cpu/image.h"
#include "math/image.h"

namespace az::cpu {

/// Three channels a pixel as one word, for horizontal_rgb.   row [width, 3] -> words [width]; `swap` exchanges the
/// first and third channel
void spread_rgb(const uint8_t* row, int width, bool swap, uint64_t* words);
/// math::resize_row of three channels.   words as spread_rgb has them; tap [width] -> out [width, 3]
void horizontal_rgb(const uint64_t* words, const math::BilinearTap* tap, int width, int16_t* out);

/// The horizontally resized source rows that the current target row needs; each is computed once on the way down.
class ResizedRows {
 public:
  /// One tap a target column, in the order of the result; `swap` exchanges the first and third of three channels.
  ResizedRows(const ImageView& source, std::vector<math::BilinearTap> taps, bool swap = false);

  /// Row `y` of the source, [taps, channels] as math::resize_row has it; the row returned before stays valid.
  const int16_t* row(int y);

 private:
  void compute(int y, int16_t* out);

  ImageView source_;
  std::vector<math::BilinearTap> taps_;
  bool swap_;
  std::vector<uint64_t> words_;
  std::array<std::vector<int16_t>, 2> rows_;
  std::array<int, 2> held_{-1, -1};
  int last_ = 0;
};

}  // namespace az::cpu
