// The network's input from a picture: channel order, mirroring, mean and deviation, padding, in one pass over rows.
#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/image.h"
#include "math/image.h"
#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

/// Pixels in the order in which they are written; `swap` exchanges the first and third channel.
AZ_SIMD void reorder(const uint8_t* row, int width, bool flip, bool swap, uint8_t* out) {
  const ptrdiff_t step = flip ? -3 : 3;
  const uint8_t* from = flip ? row + 3 * (static_cast<ptrdiff_t>(width) - 1) : row;
  const int first = swap ? 2 : 0;
  const int third = 2 - first;
  for (int x = 0; x < width; ++x, from += step, out += 3) {
    const uint8_t a = from[first];
    const uint8_t b = from[1];
    const uint8_t c = from[third];
    out[0] = a;
    out[1] = b;
    out[2] = c;
  }
}

AZ_SIMD void normalise_row(const uint8_t* row, const float* mean, const float* std, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = math::normalised(row[i], mean[i], std[i]);
}

/// A row's worth of per-channel values, so that the loop over elements has no channel in it.
std::vector<float> repeated(const std::array<float, 3>& values, int width) {
  std::vector<float> row(3 * static_cast<size_t>(width));
  for (size_t i = 0; i < row.size(); ++i) row[i] = values[i % 3];
  return row;
}

}  // namespace

void normalise(const ImageView& source, const Normalise& how, int padded_width, int padded_height, float* out) {
  AZ_CHECK(source.channels == 3, "normalise: the picture has {} channels, want 3", source.channels);
  AZ_CHECK(source.width <= padded_width && source.height <= padded_height,
           "normalise: a picture of {} x {} pixels does not fit into {} x {}", source.width, source.height,
           padded_width, padded_height);
  const size_t count = 3 * static_cast<size_t>(source.width);
  const size_t padded_count = 3 * static_cast<size_t>(padded_width);
  const std::vector<float> mean = repeated(how.mean, source.width);
  const std::vector<float> std = repeated(how.std, source.width);
  std::vector<uint8_t> ordered(count);
  for (int y = 0; y < source.height; ++y) {
    const uint8_t* row = source.pixels + static_cast<size_t>(y) * count;
    float* target = out + static_cast<size_t>(y) * padded_count;
    if (how.flip || how.bgr) {
      reorder(row, source.width, how.flip, how.bgr, ordered.data());
      row = ordered.data();
    }
    normalise_row(row, mean.data(), std.data(), count, target);
    std::fill(target + count, target + padded_count, 0.0F);
  }
  std::fill(out + static_cast<size_t>(source.height) * padded_count,
            out + static_cast<size_t>(padded_height) * padded_count, 0.0F);
}

}  // namespace az::cpu
