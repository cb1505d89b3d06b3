#include "cpu/warp.h"

#include <cmath>

#include "tensor/error.h"

namespace az::cpu {
namespace {

float rounded(float value, float /*as*/) { return value; }
// A mean of grey levels needs no clamping.
uint8_t rounded(float value, uint8_t /*as*/) { return static_cast<uint8_t>(std::lrint(value)); }

template <class Source>
void check(const Source& source, const Affine& to_source, int width, int height) {
  AZ_CHECK(source.channels >= 1 && source.channels <= 4, "warp_exact: the picture has {} channels, want 1 to 4",
           source.channels);
  AZ_CHECK(width >= 0 && height >= 0, "warp_exact: cannot make {} x {} pixels", width, height);
  for (const double entry : to_source) AZ_CHECK(std::isfinite(entry), "warp_exact: matrix entry {}", entry);
}

/// The four neighbours of a position and its place between them.
template <class Value>
struct Corners {
  const Value *upper_left, *upper_right, *lower_left, *lower_right;
  float right, lower;  // weights, 0..1
};

template <class Source, class Value>
Corners<Value> corners(const Source& source, double x, double y, const Value* fill) {
  const double left = std::floor(x), top = std::floor(y);
  const auto px = static_cast<int>(left), py = static_cast<int>(top);
  const auto pixel = [&](int column, int row) {
    const bool inside = column >= 0 && row >= 0 && column < source.width && row < source.height;
    return inside ? source.pixels + (ptrdiff_t{row} * source.width + column) * source.channels : fill;
  };
  return {pixel(px, py),
          pixel(px + 1, py),
          pixel(px, py + 1),
          pixel(px + 1, py + 1),
          static_cast<float>(x - left),
          static_cast<float>(y - top)};
}

template <class Source, class Value, class Out>
void warp(const Source& source, const Affine& m, int width, int height, const Value* fill, Out* out) {
  check(source, m, width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x, out += source.channels) {
      const double sx = m[0] * x + m[1] * y + m[2];
      const double sy = m[3] * x + m[4] * y + m[5];
      // Also keeps the whole numbers above within an int.
      const bool near = sx > -1 && sy > -1 && sx < source.width && sy < source.height;
      if (!near) {
        for (int c = 0; c < source.channels; ++c) out[c] = static_cast<Out>(fill[c]);
        continue;
      }
      const Corners<Value> at = corners(source, sx, sy, fill);
      for (int c = 0; c < source.channels; ++c) {
        const auto ul = static_cast<float>(at.upper_left[c]), ur = static_cast<float>(at.upper_right[c]);
        const auto ll = static_cast<float>(at.lower_left[c]), lr = static_cast<float>(at.lower_right[c]);
        const float upper = ul + at.right * (ur - ul), lower = ll + at.right * (lr - ll);
        out[c] = rounded(upper + at.lower * (lower - upper), Out{});
      }
    }
  }
}

}  // namespace

void warp_exact(const ImageView& source, const Affine& to_source, int width, int height,
                const std::array<uint8_t, 4>& fill, uint8_t* out) {
  warp(source, to_source, width, height, fill.data(), out);
}

void warp_exact(const ImageView& source, const Affine& to_source, int width, int height,
                const std::array<uint8_t, 4>& fill, float* out) {
  warp(source, to_source, width, height, fill.data(), out);
}

void warp_exact(const FloatView& source, const Affine& to_source, int width, int height,
                const std::array<float, 4>& fill, float* out) {
  warp(source, to_source, width, height, fill.data(), out);
}

}  // namespace az::cpu
