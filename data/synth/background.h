// What lies behind the objects, and the camera that sees it all.
#pragma once

#include "data/image.h"
#include "data/synth/plane.h"
#include "data/synth/raster.h"
#include "tensor/rng.h"

namespace az::data::synth {

/// A photographic-looking ground: fractal materials, in most pictures a horizon, blurred clutter, a light gradient.
Canvas draw_background(int width, int height, Rng& rng);

/// canvas = mix(canvas, colour, share * opacity) in the box.
void blend(Canvas& canvas, const Coverage& where, const Canvas& colour, float opacity);
void blend(Canvas& canvas, const Coverage& where, const Colour& colour, float opacity);

/// Blur, vignette, contrast, brightness and grey noise of a camera, then 8 bits.
Image photograph(Canvas& canvas, Rng& rng);

}  // namespace az::data::synth
