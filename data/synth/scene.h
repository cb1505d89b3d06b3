// One generated picture with what is in it.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/rle.h"
#include "data/image.h"
#include "data/synth/outline.h"

namespace az::data::synth {

struct SceneObject {
  Kind kind = Kind::melon;
  cpu::Mask mask;              ///< what is visible of it, [height, width] of the picture
  int64_t area = 0;            ///< of the mask
  int64_t whole_area = 0;      ///< pixels in the picture if nothing covered it
  int parts = 1;               ///< 8-connected
  bool concave = false;        ///< visible area below 0.9 of its convex hull
  bool whole_concave = false;  ///< the same of the uncovered shape
};

struct Scene {
  Image image;
  int jpeg_quality = 90;
  std::vector<SceneObject> objects;  ///< 3 to 8, lowest first
};

/// Picture number `picture` of the set `seed`: the same bytes whenever and wherever it is drawn.
Scene draw_scene(uint64_t seed, uint64_t picture);

}  // namespace az::data::synth
