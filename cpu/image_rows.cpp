#include "cpu/image_rows.h"

#include <cstddef>
#include <utility>

#include "tensor/simd.h"

namespace az::cpu {

using math::BilinearTap;

namespace {

// Three channels in one 64-bit word, 21 bits apart: a weighted sum of two words is then three sums at once, each below
// 2^20. One multiplication does all three, since w1 a + w2 b = 2048 a + w2 (b - a) and wrapping differences cancel.
constexpr int kLane = 21;
constexpr uint64_t kLaneMask = (uint64_t{1} << kLane) - 1;

}  // namespace

AZ_SIMD void spread_rgb(const uint8_t* row, int width, bool swap, uint64_t* words) {
  const int first = swap ? 2 * kLane : 0;
  const int third = 2 * kLane - first;
  for (int x = 0; x < width; ++x) {
    const uint8_t* pixel = row + 3 * static_cast<ptrdiff_t>(x);
    words[x] = uint64_t{pixel[0]} << first | uint64_t{pixel[1]} << kLane | uint64_t{pixel[2]} << third;
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

namespace {

void horizontal_any(const uint8_t* row, int channels, const BilinearTap* tap, int width, int16_t* out) {
  for (int x = 0; x < width; ++x) {
    const uint8_t* first = row + static_cast<ptrdiff_t>(tap[x].first) * channels;
    const uint8_t* second = row + static_cast<ptrdiff_t>(tap[x].second) * channels;
    for (int c = 0; c < channels; ++c) *out++ = math::resize_row(first[c], second[c], tap[x]);
  }
}

}  // namespace

ResizedRows::ResizedRows(const ImageView& source, std::vector<BilinearTap> taps, bool swap)
    : source_(source),
      taps_(std::move(taps)),
      swap_(swap),
      words_(source.channels == 3 ? static_cast<size_t>(source.width) : 0) {
  for (auto& row : rows_) row.resize(taps_.size() * static_cast<size_t>(source.channels));
}

const int16_t* ResizedRows::row(int y) {
  if (held_[0] != y && held_[1] != y) {
    const size_t slot = last_ == 0 ? 1 : 0;
    compute(y, rows_[slot].data());
    held_[slot] = y;
  }
  last_ = held_[0] == y ? 0 : 1;
  return rows_[static_cast<size_t>(last_)].data();
}

void ResizedRows::compute(int y, int16_t* out) {
  const auto row_elements = static_cast<size_t>(source_.width) * static_cast<size_t>(source_.channels);
  const uint8_t* pixels = source_.pixels + static_cast<size_t>(y) * row_elements;
  const int width = static_cast<int>(taps_.size());
  if (source_.channels == 3) {
    spread_rgb(pixels, source_.width, swap_, words_.data());
    horizontal_rgb(words_.data(), taps_.data(), width, out);
  } else {
    horizontal_any(pixels, source_.channels, taps_.data(), width, out);
  }
}

}  // namespace az::cpu
