// Crops and warps that reach beyond the picture, and nearest-neighbour resize of masks.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "cpu/image.h"
#include "math/image.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

void check_channels(const char* op, const ImageView& source) {
  AZ_CHECK(source.channels >= 1 && source.channels <= 4, "{}: the picture has {} channels, want 1 to 4", op,
           source.channels);
}

/// `source` at fixed-point position (x, y), in 1/256 pixel.
void sample(const ImageView& source, int64_t x, int64_t y, const uint8_t* fill, uint8_t* out) {
  const int64_t left = x >> math::kWarpFractionBits;
  const int64_t top = y >> math::kWarpFractionBits;
  const int right_weight = static_cast<int>(x & (math::kWarpOne - 1));
  const int lower_weight = static_cast<int>(y & (math::kWarpOne - 1));
  const auto pixel = [&](int64_t px, int64_t py) {
    const bool inside = px >= 0 && py >= 0 && px < source.width && py < source.height;
    return inside ? source.pixels + (py * source.width + px) * source.channels : fill;
  };
  const uint8_t* upper_left = pixel(left, top);
  const uint8_t* upper_right = pixel(left + 1, top);
  const uint8_t* lower_left = pixel(left, top + 1);
  const uint8_t* lower_right = pixel(left + 1, top + 1);
  for (int c = 0; c < source.channels; ++c) {
    out[c] = math::warp_blend(upper_left[c], upper_right[c], lower_left[c], lower_right[c], right_weight, lower_weight);
  }
}

/// The first target position whose source position is at least `source`.
int first_reaching(int source, int old_size, int new_size) {
  int low = 0;
  int high = new_size;
  while (low < high) {
    const int middle = low + (high - low) / 2;
    if (math::nearest_source(middle, old_size, new_size) >= source) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace

void padded_crop(const ImageView& source, int left, int top, int width, int height, const std::array<uint8_t, 4>& fill,
                 uint8_t* out) {
  check_channels("padded_crop", source);
  const int64_t channels = source.channels;
  // Columns of the target that lie in the source; 64 bits, for `left` may be any int.
  const int64_t begin = std::clamp<int64_t>(-int64_t{left}, 0, width);
  const int64_t end = std::clamp<int64_t>(int64_t{source.width} - left, begin, width);
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* row = out + y * width * channels;
    const int64_t source_y = y + top;
    const bool inside = source_y >= 0 && source_y < source.height;
    const auto fill_columns = [&](int64_t from, int64_t to) {
      for (int64_t x = from; x < to; ++x) std::memcpy(row + x * channels, fill.data(), static_cast<size_t>(channels));
    };
    fill_columns(0, inside ? begin : width);
    if (!inside) continue;
    if (end > begin) {
      std::memcpy(row + begin * channels, source.pixels + (source_y * source.width + begin + left) * channels,
                  static_cast<size_t>((end - begin) * channels));
    }
    fill_columns(end, width);
  }
}

void warp_affine(const ImageView& source, const Affine& to_source, int width, int height,
                 const std::array<uint8_t, 4>& fill, uint8_t* out) {
  check_channels("warp_affine", source);
  constexpr int kMaxSide = 1 << 16;  // with kLimit, keeps the sums below in 64 bits
  AZ_CHECK(width <= kMaxSide && height <= kMaxSide, "warp_affine: {} x {} pixels, more than {} a side", width, height,
           kMaxSide);
  constexpr double kLimit = 1 << 20;
  for (const double entry : to_source) {
    AZ_CHECK(std::abs(entry) <= kLimit, "warp_affine: matrix entry {} is not within 2^20", entry);
  }
  std::array<int64_t, 6> m{};
  for (size_t i = 0; i < m.size(); ++i) m[i] = math::warp_entry(to_source[i]);
  for (int64_t y = 0; y < height; ++y) {
    int64_t sx = m[1] * y + m[2] + math::kWarpHalf;
    int64_t sy = m[4] * y + m[5] + math::kWarpHalf;
    for (int64_t x = 0; x < width; ++x, sx += m[0], sy += m[3], out += source.channels) {
      sample(source, sx >> math::kWarpExtraBits, sy >> math::kWarpExtraBits, fill.data(), out);
    }
  }
}

Rect nearest_reach(const Rect& source_part, const NearestResize& sizes) {
  const int left = first_reaching(source_part.x, sizes.old_width, sizes.new_width);
  const int right = first_reaching(source_part.x + source_part.width, sizes.old_width, sizes.new_width);
  const int top = first_reaching(source_part.y, sizes.old_height, sizes.new_height);
  const int bottom = first_reaching(source_part.y + source_part.height, sizes.old_height, sizes.new_height);
  return {left, top, right - left, bottom - top};
}

void resize_nearest(const uint8_t* source, const Rect& source_part, const NearestResize& sizes, const Rect& part,
                    uint8_t* out) {
  AZ_CHECK(sizes.old_width > 0 && sizes.old_height > 0 && sizes.new_width > 0 && sizes.new_height > 0,
           "resize_nearest: cannot make {} x {} of {} x {} pixels", sizes.new_width, sizes.new_height, sizes.old_width,
           sizes.old_height);
  std::vector<int> columns(static_cast<size_t>(std::max(part.width, 0)));
  for (int x = 0; x < part.width; ++x) {
    columns[static_cast<size_t>(x)] =
        math::nearest_source(part.x + x, sizes.old_width, sizes.new_width) - source_part.x;
  }
  int written_y = -1;  // source row of the row above
  for (int y = 0; y < part.height; ++y, out += part.width) {
    const int source_y = math::nearest_source(part.y + y, sizes.old_height, sizes.new_height) - source_part.y;
    if (source_y < 0 || source_y >= source_part.height) {
      std::fill_n(out, part.width, uint8_t{0});
    } else if (y > 0 && source_y == written_y) {
      std::copy_n(out - part.width, part.width, out);
    } else {
      const uint8_t* from = source + static_cast<ptrdiff_t>(source_y) * source_part.width;
      uint8_t* to = out;
      for (const int column : columns) *to++ = column >= 0 && column < source_part.width ? from[column] : uint8_t{0};
    }
    written_y = source_y;
  }
}

}  // namespace az::cpu
