// Float planes that generated pictures are painted on: noise, blur, colour.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "tensor/rng.h"

namespace az::data::synth {

/// One channel, rows from the top.
struct Plane {
  int width = 0;
  int height = 0;
  std::vector<float> values;  // [height, width]

  Plane() = default;
  Plane(int w, int h, float value = 0)
      : width(w), height(h), values(static_cast<size_t>(w) * static_cast<size_t>(h), value) {}
  float* row(int y) { return values.data() + static_cast<size_t>(y) * static_cast<size_t>(width); }
  const float* row(int y) const { return values.data() + static_cast<size_t>(y) * static_cast<size_t>(width); }
};

using Colour = std::array<float, 3>;  ///< R, G, B, 0..255
using Canvas = std::array<Plane, 3>;  ///< the planes of a picture

/// Hue in degrees (any), saturation and value 0..1.
Colour from_hsv(double hue, double saturation, double value);

/// Smooth random field in about [-1, 1]: `octaves` grids of random values, the first with cells of cell_x by cell_y
/// pixels and each next one half that size and `gain` times as strong, interpolated by cubics.
Plane fractal_noise(int width, int height, double cell_x, double cell_y, int octaves, double gain, Rng& rng);

/// Gaussian blur in place; the border is continued by its own values.
void blur(Plane& plane, double sigma);

}  // namespace az::data::synth
