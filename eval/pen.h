// Drawing on 8-bit RGB pictures: blended pixels, smooth lines and discs, text.
#pragma once

#include <array>
#include <string>

#include "data/image.h"

namespace az::eval {

using Rgb = std::array<uint8_t, 3>;
using Place = std::array<double, 2>;  ///< x, y; pixel (0, 0) covers 0..1

/// Mixes `share` (0..1) of a colour into a pixel; outside the picture nothing happens.
void blend_pixel(data::Image& image, int x, int y, const Rgb& colour, double share);
/// A line with round ends, smoothed at its edges.
void draw_line(data::Image& image, Place a, Place b, double width_px, const Rgb& colour, double opacity = 1);
void draw_disc(data::Image& image, Place centre, double radius_px, const Rgb& colour, double opacity = 1);
void fill_rectangle(data::Image& image, int x, int y, int width, int height, const Rgb& colour, double opacity = 1);

/// Size of a text in pixels, every pixel of the font `scale` pixels wide.
int text_width(const std::string& text, int scale);
int text_height(int scale);
/// Upper left corner at (x, y).
void draw_text(data::Image& image, int x, int y, const std::string& text, const Rgb& colour, int scale);

}  // namespace az::eval
