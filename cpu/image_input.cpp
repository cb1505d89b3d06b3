// From a decoded picture to the network's input in one pass: a target row is the sum of two horizontally resized source
// rows, made where they are still in the cache, and goes to the batch as floats. Nothing is kept but those two rows.
#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "cpu/image.h"
#include "cpu/image_rows.h"
#include "math/image.h"
#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

using math::BilinearTap;

constexpr size_t kBlock = 48;  // elements: whole vectors and whole pixels

/// Mean and deviation of a block's elements, so that the loop over elements has no channel in it.
struct Pattern {
  std::array<float, kBlock> mean, std;
  bool divide = false;

  explicit Pattern(const Normalise& how) {
    for (size_t i = 0; i < kBlock; ++i) mean[i] = how.mean[i % 3], std[i] = how.std[i % 3];
    for (const float s : how.std) divide = divide || s != 1.0F;  // x / 1 is x to the bit
  }
};

AZ_SIMD void column_sums(const int16_t* upper, const int16_t* lower, const BilinearTap& tap, const Pattern& pattern,
                         size_t count, float* out) {
  const auto first = static_cast<int16_t>(tap.weight_first);
  const auto second = static_cast<int16_t>(tap.weight_second);
  const auto block = [&](size_t at, size_t length, auto divide) {
    for (size_t i = 0; i < length; ++i) {
      const uint8_t value = math::resize_column(upper[at + i], lower[at + i], first, second);
      out[at + i] = math::normalised(value, pattern.mean[i], divide ? pattern.std[i] : 1.0F);
    }
  };
  const auto all = [&](auto divide) {
    size_t at = 0;
    for (; at + kBlock <= count; at += kBlock) block(at, kBlock, divide);
    block(at, count - at, divide);
  };
  if (pattern.divide)
    all(std::true_type{});
  else
    all(std::false_type{});
}

/// math::source_step of a size that may be a fraction.
double step_of(double shown, int old_size, int new_size) {
  return 1.0 / (static_cast<double>(new_size) / (shown > 0 ? shown : old_size));
}

void fill_pixels(const std::array<float, 3>& pixel, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out = std::copy_n(pixel.data(), 3, out);
}

void check(const ImageView& source, const InputPlace& place, int padded_width, int padded_height) {
  AZ_CHECK(source.channels == 3, "resize_normalise: the picture has {} channels, want 3", source.channels);
  AZ_CHECK(source.width > 0 && source.height > 0 && place.resized_width > 0 && place.resized_height > 0,
           "resize_normalise: cannot make {} x {} of {} x {} pixels", place.resized_width, place.resized_height,
           source.width, source.height);
  AZ_CHECK(place.width >= 0 && place.height >= 0 && place.width <= padded_width && place.height <= padded_height,
           "resize_normalise: a window of {} x {} pixels does not fit into {} x {}", place.width, place.height,
           padded_width, padded_height);
}

}  // namespace

void resize_normalise(const ImageView& source, const InputPlace& place, const Normalise& how, int padded_width,
                      int padded_height, float* out) {
  check(source, place, padded_width, padded_height);
  std::array<float, 3> fill{};
  for (size_t c = 0; c < 3; ++c) fill[c] = math::normalised(place.fill[how.bgr ? 2 - c : c], how.mean[c], how.std[c]);

  // The window's columns that lie in the resized picture, and behind them those of the mirrored window.
  const int64_t begin = std::clamp<int64_t>(-int64_t{place.left}, 0, place.width);
  const int64_t end = std::clamp<int64_t>(int64_t{place.resized_width} - place.left, begin, place.width);
  const int64_t first = how.flip ? place.width - end : begin;
  const int64_t last = how.flip ? place.width - begin : end;
  std::vector<BilinearTap> taps(static_cast<size_t>(last - first));
  const double step = step_of(place.source_width, source.width, place.resized_width);
  const double step_down = step_of(place.source_height, source.height, place.resized_height);
  for (int64_t o = first; o < last; ++o) {
    const int64_t x = how.flip ? place.width - 1 - o : o;
    taps[static_cast<size_t>(o - first)] = math::bilinear_tap_at(static_cast<int>(x + place.left), step, source.width);
  }

  ResizedRows rows(source, std::move(taps), how.bgr);
  const Pattern pattern(how);
  const size_t padded_count = 3 * static_cast<size_t>(padded_width);
  for (int y = 0; y < place.height; ++y, out += padded_count) {
    const int64_t resized_y = int64_t{y} + place.top;
    const bool inside = first < last && resized_y >= 0 && resized_y < place.resized_height;
    fill_pixels(fill, inside ? first : place.width, out);
    if (inside) {
      const BilinearTap tap = math::bilinear_tap_at(static_cast<int>(resized_y), step_down, source.height);
      const int16_t* upper = rows.row(tap.first);
      const int16_t* lower = rows.row(tap.second);
      column_sums(upper, lower, tap, pattern, 3 * static_cast<size_t>(last - first), out + 3 * first);
      fill_pixels(fill, place.width - last, out + 3 * last);
    }
    std::fill(out + 3 * static_cast<ptrdiff_t>(place.width), out + padded_count, 0.0F);
  }
  std::fill_n(out, padded_count * static_cast<size_t>(padded_height - place.height), 0.0F);
}

}  // namespace az::cpu
