// The horizontal pass of the bilinear resize, row by row; what the resizes of pictures share.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cpu/image.h"
#include "math/image.h"

namespace az::cpu {

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
