// Windows cut out of maps: what a position of a window reads.
#pragma once

#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

struct WindowShape {
  int64_t images, h, w, channels;  ///< of the maps
  int64_t windows, window_h, window_w;
};

/// Where a window lies: image, top row, left column; the last two may be outside the map.
struct WindowPlace {
  int32_t image, top, left;

  /// The map's row (column alike) that row `i` of the window reads, or -1 outside.
  AZ_HD int64_t row(int64_t i, int64_t h) const { return i + top >= 0 && i + top < h ? i + top : -1; }
  AZ_HD int64_t column(int64_t j, int64_t w) const { return j + left >= 0 && j + left < w ? j + left : -1; }
};

/// The windows' places: listed, or the same one in every image.
struct WindowPlaces {
  const WindowPlace* listed = nullptr;  ///< [windows], in cells; null: window k lies in image k at (offset, offset)
  int32_t stride = 1, offset = 0;       ///< cell (i, j) begins at row stride * i + offset, column stride * j + offset
  int32_t left = 0;                     ///< where none are listed: columns beyond the offset

  AZ_HD WindowPlace operator[](int64_t k) const {
    if (!listed) return {static_cast<int32_t>(k), offset, offset + left};
    const WindowPlace p = listed[k];
    return {p.image, stride * p.top + offset, stride * p.left + offset};
  }
};

}  // namespace az::math
