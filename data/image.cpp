#include "data/image.h"

#include <png.h>

#include "data/codecs.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace codecs {

void check_size(int64_t width, int64_t height, size_t file_bytes, int64_t pixels_per_byte, const std::string& name) {
  AZ_CHECK(width > 0 && height > 0, "{}: the picture is {} x {} pixels", name, width, height);
  AZ_CHECK(width <= kMaxPixels / height, "{}: the picture is {} x {} pixels, more than {} in all", name, width, height,
           kMaxPixels);
  constexpr int64_t kAlwaysAllowed = 1 << 16;
  AZ_CHECK(width * height <= static_cast<int64_t>(file_bytes) * pixels_per_byte + kAlwaysAllowed,
           "{}: {} bytes cannot hold the {} x {} pixels that the header promises; the file is cut short or damaged", name,
           file_bytes, width, height);
}

}  // namespace codecs

namespace {

const uint8_t* bytes_of(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

void check_writable(const Image& image, const std::filesystem::path& file) {
  const size_t pixels = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  AZ_CHECK(image.width > 0 && image.height > 0 && (image.channels == 1 || image.channels == 3) &&
               image.pixels.size() == pixels * static_cast<size_t>(image.channels),
           "{}: cannot write a picture of {} x {} pixels, {} channels and {} bytes; want 1 or 3 channels and as many bytes",
           file.string(), image.width, image.height, image.channels, image.pixels.size());
}

}  // namespace

Image decode_image(const uint8_t* bytes, size_t count, const std::string& name) {
  AZ_CHECK(count > 0, "{}: the file is empty", name);
  return codecs::is_jpeg(bytes, count) ? codecs::jpeg_decode(bytes, count, name) : codecs::stb_decode(bytes, count, name);
}

Image read_image(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  return decode_image(bytes_of(bytes), bytes.size(), file.string());
}

ImageSize image_size(const uint8_t* bytes, size_t count, const std::string& name) {
  AZ_CHECK(count > 0, "{}: the file is empty", name);
  return codecs::is_jpeg(bytes, count) ? codecs::jpeg_size(bytes, count, name) : codecs::stb_size(bytes, count, name);
}

ImageSize image_size(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  return image_size(bytes_of(bytes), bytes.size(), file.string());
}

void write_jpeg(const std::filesystem::path& file, const Image& image, int quality) {
  check_writable(image, file);
  AZ_CHECK(quality >= 1 && quality <= 100, "{}: JPEG quality {} is not in 1..100", file.string(), quality);
  write_file(file, codecs::jpeg_encode(image, quality, file.string()));
}

void write_png(const std::filesystem::path& file, const Image& image) {
  check_writable(image, file);
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string encoded(bytes, '\0');
  const int ok = png_image_write_to_memory(&png, encoded.data(), &bytes, 0, image.pixels.data(), 0, nullptr);
  const std::string reason = png.message;
  png_image_free(&png);
  AZ_CHECK(ok != 0, "{}: cannot encode it as PNG: {}", file.string(), reason);
  encoded.resize(bytes);
  write_file(file, encoded);
}

}  // namespace az::data
