#include "cpu/square_crop.h"

#include <algorithm>
#include <cmath>

#include "cpu/image_rows.h"
#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

void check_picture(const char* op, const ImageView& source) {
  AZ_CHECK(source.width > 0 && source.height > 0 && source.channels == 3,
           "{}: the picture is {} x {} with {} channels, want pixels of 3", op, source.width, source.height,
           source.channels);
}

int first_pixel(double position, int side, CropRounding rounding) {
  const double first = position - (side + 1) / 2.0;
  return static_cast<int>(rounding == CropRounding::half_even ? std::nearbyint(first) : std::floor(first + 0.5));
}

AZ_SIMD void vertical(const int16_t* upper, const int16_t* lower, int16_t weight_upper, int16_t weight_lower,
                      size_t count, float* out) {
  for (size_t i = 0; i < count; ++i)
    out[i] = static_cast<float>(math::resize_column(upper[i], lower[i], weight_upper, weight_lower));
}

AZ_SIMD void add_row(const uint8_t* row, int width, uint32_t* sums) {
  uint32_t a = 0, b = 0, c = 0;
  for (int x = 0; x < width; ++x, row += 3) a += row[0], b += row[1], c += row[2];
  sums[0] = a, sums[1] = b, sums[2] = c;
}

}  // namespace

const int16_t* SquareCropper::row(const ImageView& source, int y, const SquareCrop& place) {
  if (held_[0] == y || held_[1] == y) {
    last_ = held_[0] == y ? 0 : 1;
    return rows_[static_cast<size_t>(last_)].data();
  }
  last_ = 1 - last_;
  std::vector<int16_t>& out = rows_[static_cast<size_t>(last_)];
  held_[static_cast<size_t>(last_)] = y;
  const int side = place.side, source_y = y + top_;
  const bool inside = source_y >= 0 && source_y < source.height;
  const int begin = inside ? std::clamp(-left_, 0, side) : side;
  const int end = inside ? std::clamp(source.width - left_, begin, side) : side;
  uint64_t fill = 0;
  spread_rgb(place.fill.data(), 1, true, &fill);
  std::fill(words_.begin(), words_.begin() + begin, fill);
  if (begin < end)
    spread_rgb(source.pixels + (int64_t{source_y} * source.width + left_ + begin) * 3, end - begin, true,
               &words_[static_cast<size_t>(begin)]);
  std::fill(words_.begin() + end, words_.end(), fill);
  horizontal_rgb(words_.data(), taps_.data(), place.size, out.data());
  return out.data();
}

void SquareCropper::crop(const ImageView& source, const SquareCrop& place, float* out) {
  constexpr int kMost = 1 << 20;
  check_picture("square crop", source);
  AZ_CHECK(place.side >= 1 && place.side <= kMost && place.size >= 1 && place.size <= kMost,
           "square crop: {0} x {0} pixels to {1} x {1}; want sides of 1 to 2^20", place.side, place.size);
  AZ_CHECK(std::abs(place.x) <= 1 << 28 && std::abs(place.y) <= 1 << 28, "square crop: around ({}, {})", place.x,
           place.y);
  left_ = first_pixel(place.x, place.side, place.rounding);
  top_ = first_pixel(place.y, place.side, place.rounding);
  const auto row_values = 3 * static_cast<size_t>(place.size);
  taps_.resize(static_cast<size_t>(place.size));
  for (int d = 0; d < place.size; ++d) taps_[static_cast<size_t>(d)] = math::bilinear_tap(d, place.side, place.size);
  words_.resize(static_cast<size_t>(place.side));
  for (auto& r : rows_) r.resize(row_values);
  held_ = {-1, -1};
  for (int y = 0; y < place.size; ++y, out += row_values) {
    const math::BilinearTap tap = taps_[static_cast<size_t>(y)];
    const int16_t* upper = row(source, tap.first, place);
    const int16_t* lower = row(source, tap.second, place);
    vertical(upper, lower, static_cast<int16_t>(tap.weight_first), static_cast<int16_t>(tap.weight_second), row_values,
             out);
  }
}

std::array<double, 3> mean_colour(const ImageView& source) {
  check_picture("mean colour", source);
  AZ_CHECK(source.width <= 1 << 24, "mean colour: a picture {} pixels wide, want at most 2^24", source.width);
  std::array<uint64_t, 3> sums{};
  for (int y = 0; y < source.height; ++y) {
    std::array<uint32_t, 3> row{};
    add_row(source.pixels + int64_t{y} * source.width * 3, source.width, row.data());
    for (size_t c = 0; c < 3; ++c) sums[c] += row[c];
  }
  const double count = static_cast<double>(source.width) * source.height;
  return {static_cast<double>(sums[0]) / count, static_cast<double>(sums[1]) / count,
          static_cast<double>(sums[2]) / count};
}

}  // namespace az::cpu
