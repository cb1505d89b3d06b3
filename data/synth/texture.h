// What the surface of each class looks like.
#pragma once

#include "data/synth/outline.h"
#include "data/synth/plane.h"

namespace az::data::synth {

/// The random choices of one object's surface.
struct Skin {
  Colour main{}, dark{}, light{}, other{};  ///< `other` is the ribbon, the flower's disc, the freckles
  float frequency = 1;                      ///< of the pattern, cycles per unit
  float phase = 0;
  float sway = 0;                  ///< how wavy the pattern is
  float shade_u = 0, shade_v = 0;  ///< linear shading per unit
};

Skin draw_skin(Kind kind, Rng& rng);

/// Colours of an object for every pixel of a box. `coarse` and `fine` are noise planes of the box's size.
Canvas paint(const Shape& shape, const Skin& skin, const Pose& pose, const Box& box, const Plane& coarse,
             const Plane& fine);

}  // namespace az::data::synth
