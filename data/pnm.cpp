// Binary PGM and PPM (netpbm's P5 and P6).
#include <algorithm>
#include <cctype>

#include "data/codecs.h"
#include "tensor/error.h"

namespace az::data::codecs {
namespace {

struct Header {
  int64_t width = 0;
  int64_t height = 0;
  int64_t max_value = 0;
  int64_t channels = 0;
  size_t pixels_at = 0;  // where the picture begins

  int64_t bytes_per_value() const { return max_value > 255 ? 2 : 1; }
};

/// The next number; spaces and comments (# to the end of the line) may stand before it. -1 where there is none.
int64_t number(const uint8_t* bytes, size_t count, size_t& at) {
  while (at < count && (std::isspace(bytes[at]) != 0 || bytes[at] == '#')) {
    if (bytes[at] == '#') {
      while (at < count && bytes[at] != '\n') ++at;
    } else {
      ++at;
    }
  }
  constexpr int64_t kTooLarge = 1 << 30;
  int64_t value = -1;
  for (; at < count && std::isdigit(bytes[at]) != 0 && value < kTooLarge; ++at) {
    value = std::max<int64_t>(value, 0) * 10 + (bytes[at] - '0');
  }
  return value;
}

Header read_header(const uint8_t* bytes, size_t count, const std::string& name) {
  Header header;
  header.channels = bytes[1] == '6' ? 3 : 1;
  size_t at = 2;
  header.width = number(bytes, count, at);
  header.height = number(bytes, count, at);
  header.max_value = number(bytes, count, at);
  header.pixels_at = at + 1;  // one space
  AZ_CHECK(header.width > 0 && header.height > 0 && header.max_value > 0 && header.max_value <= 65535,
           "{}: damaged PNM header: width {}, height {}, largest value {}", name, header.width, header.height,
           header.max_value);
  check_size(header.width, header.height, count, 1, name);
  return header;
}

}  // namespace

bool is_pnm(const uint8_t* bytes, size_t count) {
  return count >= 3 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6') &&
         (std::isspace(bytes[2]) != 0 || bytes[2] == '#');
}

ImageSize pnm_size(const uint8_t* bytes, size_t count, const std::string& name) {
  const Header header = read_header(bytes, count, name);
  return {static_cast<int>(header.width), static_cast<int>(header.height)};
}

Image pnm_decode(const uint8_t* bytes, size_t count, const std::string& name) {
  const Header header = read_header(bytes, count, name);
  const size_t pixels = static_cast<size_t>(header.width * header.height);
  const auto channels = static_cast<size_t>(header.channels);
  const auto width_bytes = static_cast<size_t>(header.bytes_per_value());
  AZ_CHECK(header.pixels_at <= count && count - header.pixels_at >= pixels * channels * width_bytes,
           "{}: the picture's data ends early; the file is cut short", name);
  Image image(static_cast<int>(header.width), static_cast<int>(header.height));
  const uint8_t* from = bytes + header.pixels_at;
  for (size_t i = 0; i < pixels * channels; ++i, from += width_bytes) {
    const int64_t value = width_bytes == 2 ? from[0] * 256 + from[1] : from[0];
    const auto level = static_cast<uint8_t>(std::min(value, header.max_value) * 255 / header.max_value);
    if (channels == 3) {
      image.pixels[i] = level;
    } else {
      std::fill_n(&image.pixels[3 * i], 3, level);
    }
  }
  return image;
}

}  // namespace az::data::codecs
