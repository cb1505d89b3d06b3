#include "cpu/image.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/image_rows.h"
#include "math/image.h"
#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

using math::BilinearTap;

size_t elements(int width, int channels) { return static_cast<size_t>(width) * static_cast<size_t>(channels); }

std::vector<BilinearTap> taps(int old_size, int new_size) {
  std::vector<BilinearTap> table(static_cast<size_t>(new_size));
  for (int d = 0; d < new_size; ++d) table[static_cast<size_t>(d)] = math::bilinear_tap(d, old_size, new_size);
  return table;
}

AZ_SIMD void vertical(const int16_t* upper, const int16_t* lower, int16_t weight_upper, int16_t weight_lower,
                      size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) out[i] = math::resize_column(upper[i], lower[i], weight_upper, weight_lower);
}

}  // namespace

void resize_bilinear(const ImageView& source, int width, int height, uint8_t* out) {
  AZ_CHECK(source.width > 0 && source.height > 0 && source.channels > 0 && width > 0 && height > 0,
           "resize_bilinear: cannot make {} x {} of {} x {} pixels with {} channels", width, height, source.width,
           source.height, source.channels);
  const size_t row_elements = elements(width, source.channels);
  if (width == source.width && height == source.height) {
    std::memcpy(out, source.pixels, row_elements * static_cast<size_t>(height));
    return;
  }
  ResizedRows rows(source, taps(source.width, width));
  for (int y = 0; y < height; ++y) {
    const BilinearTap tap = math::bilinear_tap(y, source.height, height);
    const int16_t* upper = rows.row(tap.first);
    const int16_t* lower = rows.row(tap.second);
    vertical(upper, lower, static_cast<int16_t>(tap.weight_first), static_cast<int16_t>(tap.weight_second),
             row_elements, out + static_cast<size_t>(y) * row_elements);
  }
}

void flip_horizontal(const ImageView& source, uint8_t* out) {
  const int channels = source.channels;
  const size_t row_elements = elements(source.width, channels);
  for (int y = 0; y < source.height; ++y) {
    const uint8_t* from = source.pixels + static_cast<size_t>(y) * row_elements;
    uint8_t* to = out + static_cast<size_t>(y + 1) * row_elements;
    for (int x = 0; x < source.width; ++x, from += channels) {
      to -= channels;
      for (int c = 0; c < channels; ++c) to[c] = from[c];
    }
  }
}

}  // namespace az::cpu
