// The anchors of a Siamese tracker's score map (specs/siammask.md section 6; foolwood/SiamMask utils/anchors.py).
#pragma once

#include <cstdint>
#include <vector>

namespace az::models {

/// A box by its centre and size, in pixels of the search crop.
struct SiamAnchor {
  double cx, cy, w, h;
};

struct SiamAnchorOptions {
  int64_t stride = 8;  ///< pixels from cell to cell, and the side that ratios and scales begin from
  std::vector<double> scales = {8};
  std::vector<double> ratios = {0.33, 0.5, 1, 2, 3};  ///< height over width
  int round_digits = 0;                               ///< of a side before it is scaled; 0: truncated to an integer
};

/// The anchors of a map of cells x cells, in the order anchor * cells^2 + row * cells + column; an anchor's number is
/// ratio * scales + scale. `centre`: where the middle cell (cells / 2) lies, half the search crop's side, or 0 for
/// coordinates relative to the crop's centre. Error: an option out of range.
std::vector<SiamAnchor> siam_anchors(const SiamAnchorOptions& options, int64_t cells, int64_t centre);

}  // namespace az::models
