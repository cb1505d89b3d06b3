// How things move in generated videos: objects, the camera, the light. Positions are in pixels of the frame, angles in
// turns, times in steps. Additions and products of portable functions only: the same path on every machine.
#pragma once

#include <vector>

#include "data/synth/raster.h"
#include "tensor/rng.h"

namespace az::data::synth {

struct ObjectState {
  Point centre;
  double turn = 0;
  double size_px = 0;  ///< square root of the area
  double stretch = 1;  ///< height over width against the shape's own
  double wave = 0;     ///< phase of the deformation, turns
  bool jerk = false;   ///< its course has just changed at once
};

struct PathOptions {
  int width = 0, height = 0;  ///< of the frame
  int frames = 0;
  int stride = 1;       ///< steps from one frame to the next
  double size_px = 0;   ///< to begin with; later 0.6 to 1.7 times that
  double jerks = 0;     ///< sudden changes of course a step
  bool leaves = false;  ///< walks out of the frame towards the end, or in at the beginning
};

/// A walk with inertia: course, turning, size and stretch follow aims that change now and then. Speeds are mostly 1.5 to
/// 12 % of the size a step, after a jerk up to 30 %. The centre stays in the frame but for a twelfth at its borders,
/// unless the path leaves.
std::vector<ObjectState> draw_path(const PathOptions& options, Rng& rng);

/// A straight path with a steady turn that is at `where` in frame `when`.
std::vector<ObjectState> draw_crossing(const PathOptions& options, Point where, int when, double speed_px, Rng& rng);

/// What the camera sees of the background.
struct ViewState {
  Point centre;     ///< from the background's middle, in shares of the frame's width and height, within 0.2
  double turn = 0;  ///< within 0.008
  double zoom = 1;  ///< background pixels to a frame's pixel, 0.9 to 1.1
  double gain = 1;  ///< of the light, 0.6 to 1.4
};

struct ViewOptions {
  int frames = 0;
  int stride = 1;
  bool moves = false;      ///< pans, turns and zooms; otherwise it stands still
  bool shakes = false;     ///< by a fraction of a pixel to two pixels a frame
  bool brightens = false;  ///< the light changes
  double shake_px = 0.8 / 320;
};
std::vector<ViewState> draw_view(const ViewOptions& options, Rng& rng);

}  // namespace az::data::synth
