// Pictures in memory and on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace az::data {

/// 8-bit picture, rows from the top, channels interleaved in the order R, G, B (or one grey channel).
struct Image {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<uint8_t> pixels;  // [height, width, channels]

  uint8_t* at(int x, int y) { return &pixels[index(x, y)]; }
  const uint8_t* at(int x, int y) const { return &pixels[index(x, y)]; }

 private:
  size_t index(int x, int y) const {
    return (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) * static_cast<size_t>(channels);
  }
};

/// Reads a photograph as RGB: JPEG by libjpeg-turbo, every other format by stb_image. EXIF orientation is not applied
/// (the references read pictures as stored). Error: `FILE: what is wrong`.
Image read_image(const std::filesystem::path& file);
/// The same from memory; `name` stands in errors.
Image decode_image(const uint8_t* bytes, size_t count, const std::string& name);
/// Writes atomically. Quality 1..100. Error: `FILE: what is wrong`.
void write_jpeg(const std::filesystem::path& file, const Image& image, int quality = 92);
void write_png(const std::filesystem::path& file, const Image& image);

}  // namespace az::data
