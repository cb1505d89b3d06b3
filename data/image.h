// Pictures in memory and on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cpu/image.h"
#include "tensor/file.h"

namespace az::data {

/// 8-bit picture, rows from the top, channels interleaved in the order R, G, B (or one grey channel).
struct Image {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<uint8_t> pixels;  // [height, width, channels]

  Image() = default;
  /// Black.
  Image(int w, int h, int c = 3)
      : width(w),
        height(h),
        channels(c),
        pixels(static_cast<size_t>(w) * static_cast<size_t>(h) * static_cast<size_t>(c)) {}

  uint8_t* at(int x, int y) { return &pixels[index(x, y)]; }
  const uint8_t* at(int x, int y) const { return &pixels[index(x, y)]; }
  cpu::ImageView view() const { return {pixels.data(), width, height, channels}; }

 private:
  size_t index(int x, int y) const {
    return (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) *
           static_cast<size_t>(channels);
  }
};

/// Pictures with more pixels than this are refused before anything is allocated for them.
inline constexpr int64_t kMaxPixels = int64_t{256} << 20;

/// Reads a photograph as RGB: JPEG by libjpeg-turbo, PNG by libpng, BMP and GIF (first
/// frame) by stb_image, binary PGM and PPM. Grey and
/// CMYK become RGB, alpha is dropped. EXIF orientation is not applied (the references read pictures as stored).
/// Error: `FILE: what is wrong`, also where the picture ends early.
Image read_image(const std::filesystem::path& file);
/// The same from memory; `name` stands in errors.
Image decode_image(const uint8_t* bytes, size_t count, const std::string& name);

struct ImageSize {
  int width = 0;
  int height = 0;
  bool operator==(const ImageSize&) const = default;
};
/// Width and height as the file's header states them, without decoding. Errors as read_image.
ImageSize image_size(const std::filesystem::path& file);
ImageSize image_size(const uint8_t* bytes, size_t count, const std::string& name);

/// A picture that may be decoded at a fraction of its size.
struct ReducedImage {
  Image image;         ///< both sides are the original's over the divisor, rounded up
  ImageSize original;  ///< as the header states it
  int divisor = 1;     ///< 1, 2, 4 or 8
};
/// As read_image, but a JPEG whose original is at least 2, 4 or 8 times `wanted` on both sides is decoded at 1/2, 1/4
/// or 1/8, from fewer coefficients: faster, and other pixels than a resize of the whole picture gives.
ReducedImage read_reduced_image(const std::filesystem::path& file, const ImageSize& wanted);
ReducedImage decode_reduced_image(const uint8_t* bytes, size_t count, const std::string& name, const ImageSize& wanted);

/// Writes atomically; 1 or 3 channels. Quality 1..100. Error: `FILE: what is wrong`.
void write_jpeg(const std::filesystem::path& file, const Image& image, int quality = 92, Flush flush = Flush::now);
void write_png(const std::filesystem::path& file, const Image& image, Flush flush = Flush::now);

}  // namespace az::data
