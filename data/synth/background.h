// What lies behind the objects, and the camera that sees it all.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

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

/// Darkens the canvas beside a shape, as if it lay a little above the ground: its outline moved by `offset`, blurred.
void cast_shadow(Canvas& canvas, std::vector<Point> outline, Point offset, double sigma, float opacity);

/// A camera and its light.
struct Camera {
  double blur_px = 0.5;
  float vignette = 0, contrast = 1, brightness = 0;
  float noise = 0;                  ///< sigma, grey levels
  std::array<uint32_t, 2> grain{};  ///< key of the noise
};
Camera draw_camera(Rng& rng);

/// Blur, vignette, contrast, brightness and grey noise of a camera, then 8 bits.
Image photograph(Canvas& canvas, const Camera& camera);

}  // namespace az::data::synth
