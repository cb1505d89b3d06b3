#include "cpu/warp.h"

#include <cmath>
#include <vector>

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

/// The weighted sum of four neighbours into out.
template <int kChannels, class Value, class Out>
void blend(const Corners<Value>& at, Out* out) {
  for (int c = 0; c < kChannels; ++c) {
    const auto ul = static_cast<float>(at.upper_left[c]), ur = static_cast<float>(at.upper_right[c]);
    const auto ll = static_cast<float>(at.lower_left[c]), lr = static_cast<float>(at.lower_right[c]);
    const float upper = ul + at.right * (ur - ul), lower = ll + at.right * (lr - ll);
    out[c] = rounded(upper + at.lower * (lower - upper), Out{});
  }
}

template <int kChannels, class Source, class Value, class Out>
void sample(const Source& source, double x, double y, const Value* fill, Out* out) {
  // Also keeps the whole numbers of the position within an int.
  const bool near = x > -1 && y > -1 && x < source.width && y < source.height;
  if (near) return blend<kChannels>(corners(source, x, y, fill), out);
  for (int c = 0; c < kChannels; ++c) out[c] = static_cast<Out>(fill[c]);
}

/// A column of a map that neither turns nor shears.
struct Column {
  double x;     // source position
  int left;     // whole part; negative: look at it pixel by pixel
  float right;  // weight of the next one
};

std::vector<Column> columns(const Affine& m, int width, int source_width) {
  std::vector<Column> all;
  for (int i = 0; i < width; ++i) {
    const double x = m[0] * i + m[2];
    const bool inside = x >= 0 && x < source_width - 1;
    const int left = inside ? static_cast<int>(x) : -1;
    all.push_back({x, left, inside ? static_cast<float>(x - left) : 0});
  }
  return all;
}

/// The common case: columns are worked out once, and inside the picture there is nothing to ask.
template <int kChannels, class Source, class Value, class Out>
void warp_upright(const Source& source, const Affine& m, int width, int height, const Value* fill, Out* out) {
  const std::vector<Column> all = columns(m, width, source.width);
  for (int i = 0; i < height; ++i) {
    const double y = m[4] * i + m[5];
    const bool inside = y >= 0 && y < source.height - 1;
    const int top = inside ? static_cast<int>(y) : 0;
    const auto lower = static_cast<float>(y - top);
    const Value* const row = source.pixels + ptrdiff_t{top} * source.width * kChannels;
    const ptrdiff_t below = ptrdiff_t{source.width} * kChannels;
    for (const Column& column : all) {
      if (inside && column.left >= 0) {
        const Value* const p = row + ptrdiff_t{column.left} * kChannels;
        blend<kChannels>(Corners<Value>{p, p + kChannels, p + below, p + below + kChannels, column.right, lower}, out);
      } else {
        sample<kChannels>(source, column.x, y, fill, out);
      }
      out += kChannels;
    }
  }
}

template <int kChannels, class Source, class Value, class Out>
void warp_channels(const Source& source, const Affine& m, int width, int height, const Value* fill, Out* out) {
  if (m[1] == 0 && m[3] == 0) return warp_upright<kChannels>(source, m, width, height, fill, out);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x, out += kChannels)
      sample<kChannels>(source, m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5], fill, out);
}

template <class Source, class Value, class Out>
void warp(const Source& source, const Affine& m, int width, int height, const Value* fill, Out* out) {
  check(source, m, width, height);
  switch (source.channels) {
    case 1: return warp_channels<1>(source, m, width, height, fill, out);
    case 2: return warp_channels<2>(source, m, width, height, fill, out);
    case 3: return warp_channels<3>(source, m, width, height, fill, out);
    default: return warp_channels<4>(source, m, width, height, fill, out);
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
