#include "cpu/image.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

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

// Three channels in one 64-bit word, 21 bits apart: a weighted sum of two words is then three sums at once, each below
// 2^20. One multiplication does all three, since w1 a + w2 b = 2048 a + w2 (b - a) and wrapping differences cancel.
constexpr int kLane = 21;
constexpr uint64_t kLaneMask = (uint64_t{1} << kLane) - 1;

AZ_SIMD void spread(const uint8_t* row, int width, uint64_t* words) {
  for (int x = 0; x < width; ++x) {
    const uint8_t* pixel = row + 3 * static_cast<ptrdiff_t>(x);
    words[x] = uint64_t{pixel[0]} | uint64_t{pixel[1]} << kLane | uint64_t{pixel[2]} << (2 * kLane);
  }
}

AZ_SIMD void horizontal_rgb(const uint64_t* words, const BilinearTap* tap, int width, int16_t* out) {
  for (int x = 0; x < width; ++x) {
    const uint64_t first = words[tap[x].first];
    const uint64_t second = words[tap[x].second];
    const uint64_t sum = (first << 11) + (second - first) * static_cast<uint64_t>(tap[x].weight_second);
    int16_t* target = out + 3 * static_cast<ptrdiff_t>(x);
    target[0] = static_cast<int16_t>((sum & kLaneMask) >> 4);
    target[1] = static_cast<int16_t>((sum >> kLane & kLaneMask) >> 4);
    target[2] = static_cast<int16_t>((sum >> (2 * kLane)) >> 4);
  }
}

void horizontal_any(const uint8_t* row, int channels, const BilinearTap* tap, int width, int16_t* out) {
  for (int x = 0; x < width; ++x) {
    const uint8_t* first = row + static_cast<ptrdiff_t>(tap[x].first) * channels;
    const uint8_t* second = row + static_cast<ptrdiff_t>(tap[x].second) * channels;
    for (int c = 0; c < channels; ++c) *out++ = math::resize_row(first[c], second[c], tap[x]);
  }
}

AZ_SIMD void vertical(const int16_t* upper, const int16_t* lower, int16_t weight_upper, int16_t weight_lower,
                      size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) out[i] = math::resize_column(upper[i], lower[i], weight_upper, weight_lower);
}

/// The horizontally resized source rows that the current target row needs; each is computed once on the way down.
class RowCache {
 public:
  RowCache(const ImageView& source, int width)
      : source_(source),
        width_(width),
        taps_(taps(source.width, width)),
        words_(source.channels == 3 ? static_cast<size_t>(source.width) : 0) {
    for (auto& row : rows_) row.resize(elements(width, source.channels));
  }

  /// Row `y` of the source; the row returned before stays valid.
  const int16_t* row(int y) {
    if (held_[0] != y && held_[1] != y) {
      const int slot = last_ == 0 ? 1 : 0;
      compute(y, rows_[static_cast<size_t>(slot)].data());
      held_[static_cast<size_t>(slot)] = y;
    }
    last_ = held_[0] == y ? 0 : 1;
    return rows_[static_cast<size_t>(last_)].data();
  }

 private:
  void compute(int y, int16_t* out) {
    const uint8_t* pixels = source_.pixels + static_cast<size_t>(y) * elements(source_.width, source_.channels);
    if (source_.channels == 3) {
      spread(pixels, source_.width, words_.data());
      horizontal_rgb(words_.data(), taps_.data(), width_, out);
    } else {
      horizontal_any(pixels, source_.channels, taps_.data(), width_, out);
    }
  }

  ImageView source_;
  int width_;
  std::vector<BilinearTap> taps_;
  std::vector<uint64_t> words_;
  std::array<std::vector<int16_t>, 2> rows_;
  std::array<int, 2> held_{-1, -1};
  int last_ = 0;
};

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
  RowCache cache(source, width);
  for (int y = 0; y < height; ++y) {
    const BilinearTap tap = math::bilinear_tap(y, source.height, height);
    const int16_t* upper = cache.row(tap.first);
    const int16_t* lower = cache.row(tap.second);
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
