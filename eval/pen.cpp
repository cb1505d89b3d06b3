#include "eval/pen.h"

#include <algorithm>
#include <cmath>

#include "eval/font.h"

namespace az::eval {
namespace {

// Calls f(x, y) for the pixels of the picture within `reach` of the rectangle that a and b span.
template <class F>
void for_pixels_near(const data::Image& image, Place a, Place b, double reach, const F& f) {
  const auto bound = [](double value, int size) {
    return static_cast<int>(std::clamp(value, 0.0, static_cast<double>(size)));
  };
  const int x0 = bound(std::floor(std::min(a[0], b[0]) - reach), image.width);
  const int x1 = bound(std::ceil(std::max(a[0], b[0]) + reach), image.width);
  const int y0 = bound(std::floor(std::min(a[1], b[1]) - reach), image.height);
  const int y1 = bound(std::ceil(std::max(a[1], b[1]) + reach), image.height);
  for (int y = y0; y < y1; ++y)
    for (int x = x0; x < x1; ++x) f(x, y);
}

bool finite(Place p) { return std::isfinite(p[0]) && std::isfinite(p[1]); }

}  // namespace

void blend_pixel(data::Image& image, int x, int y, const Rgb& colour, double share) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height || share <= 0) return;
  uint8_t* pixel = image.at(x, y);
  for (size_t c = 0; c < 3; ++c)
    pixel[c] = static_cast<uint8_t>(std::lround(pixel[c] + (colour[c] - pixel[c]) * std::min(share, 1.0)));
}

void draw_line(data::Image& image, Place a, Place b, double width_px, const Rgb& colour, double opacity) {
  if (!finite(a) || !finite(b)) return;
  const double half = width_px / 2;
  const double dx = b[0] - a[0];
  const double dy = b[1] - a[1];
  const double length2 = dx * dx + dy * dy;
  for_pixels_near(image, a, b, half + 1, [&](int x, int y) {
    const double px = x + 0.5 - a[0];
    const double py = y + 0.5 - a[1];
    const double t = length2 > 0 ? std::clamp((px * dx + py * dy) / length2, 0.0, 1.0) : 0.0;
    const double away = std::hypot(px - t * dx, py - t * dy);
    blend_pixel(image, x, y, colour, opacity * std::clamp(half + 0.5 - away, 0.0, 1.0));
  });
}

void draw_disc(data::Image& image, Place centre, double radius_px, const Rgb& colour, double opacity) {
  draw_line(image, centre, centre, 2 * radius_px, colour, opacity);
}

void fill_rectangle(data::Image& image, int x, int y, int width, int height, const Rgb& colour, double opacity) {
  for (int row = std::max(y, 0); row < std::min(y + height, image.height); ++row)
    for (int column = std::max(x, 0); column < std::min(x + width, image.width); ++column)
      blend_pixel(image, column, row, colour, opacity);
}

int text_width(const std::string& text, int scale) {
  return std::max(0, static_cast<int>(text.size()) * (kGlyphWidth + 1) - 1) * scale;
}
int text_height(int scale) { return kGlyphHeight * scale; }

void draw_text(data::Image& image, int x, int y, const std::string& text, const Rgb& colour, int scale) {
  for (const char c : text) {
    const uint64_t glyph = glyph_of(c);
    for (int row = 0; row < kGlyphHeight; ++row)
      for (int column = 0; column < kGlyphWidth; ++column)
        if ((glyph >> (row * kGlyphWidth + column)) & 1U)
          fill_rectangle(image, x + column * scale, y + row * scale, scale, scale, colour);
    x += (kGlyphWidth + 1) * scale;
  }
}

}  // namespace az::eval
