// The arithmetic of a SiamMask tracker between two frames: where to look, and what the network's answer does to the
// state (foolwood/SiamMask tools/test.py siamese_init, siamese_track; specs/siammask.md section 12).
#pragma once

#include <array>
#include <cstdint>

#include "cpu/mask_paste.h"
#include "cpu/region.h"
#include "cpu/square_crop.h"
#include "math/siam_select.h"

namespace az::models {

/// The defaults are the public code's; its config files have others for each data set.
struct SiamTrackOptions {
  double penalty_k = 0.09;         ///< of a change of size or shape
  double window_influence = 0.39;  ///< share of the window in the rank, 0 to 1
  double lr = 0.38;                ///< how fast the size follows, 0 to 1
  double seg_thr = 0.30;           ///< a pixel with a higher probability is the object's
  int64_t out_size = 0;            ///< of masks, as config files have it; the network's own side counts whatever it is
  cpu::CropRounding rounding = cpu::CropRounding::half_even;  ///< of a crop's corner; half_up for pysot's figures
};
/// Error: an option out of its range.
void check_track_options(const SiamTrackOptions& options);

/// Sides of the crops and the score map's grid, pixels.
struct SiamGeometry {
  int exemplar = 127, instance = 255;
  int stride = 8, base_size = 8;
  double context = 0.5;  ///< share of width plus height that is added around the object on all sides together

  int cells() const { return (instance - exemplar) / stride + 1 + base_size; }  ///< on a side of the score map
};

/// Centre and size, pixels of the frame.
struct SiamState {
  double x = 0, y = 0, w = 0, h = 0;
};

/// The search crop of a frame.
struct SiamLook {
  double scale = 0;     ///< pixels of the exemplar to a pixel of the frame
  int side = 0;         ///< of the crop in the frame
  double x = 0, y = 0;  ///< its corner, not rounded
};

/// Side of the exemplar's crop in the frame. Error: a box that is not finite, has no area, or lies outside the frame.
int exemplar_side(const SiamState& state, const SiamGeometry& geometry, int frame_width, int frame_height);
SiamLook look_around(const SiamState& state, const SiamGeometry& geometry);
/// What the ranking of candidates needs of the state.
math::SiamView view_of(const SiamState& state, const SiamLook& look, const SiamTrackOptions& options);

/// The state after a frame, not yet clamped.
SiamState follow(const SiamState& state, const SiamLook& look, const math::SiamCandidate& best, double lr);
/// The centre within the frame, the sides from 10 pixels to the frame's.
SiamState clamped(const SiamState& state, int frame_width, int frame_height);
/// Where the mask of a cell lies in the frame.
cpu::MaskPlace mask_place(const SiamLook& look, int row, int column, const SiamGeometry& geometry);

using Corners = std::array<std::array<double, 2>, 4>;
/// Of the upright box, clockwise from the upper left.
Corners corners_of(const SiamState& state);

}  // namespace az::models
