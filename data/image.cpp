#include "data/image.h"

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
           "{}: {} bytes cannot hold the {} x {} pixels that the header promises; the file is cut short or damaged",
           name, file_bytes, width, height);
}

}  // namespace codecs

namespace {

const uint8_t* bytes_of(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

void check_writable(const Image& image, const std::filesystem::path& file) {
  const size_t pixels = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  AZ_CHECK(
      image.width > 0 && image.height > 0 && (image.channels == 1 || image.channels == 3) &&
          image.pixels.size() == pixels * static_cast<size_t>(image.channels),
      "{}: cannot write a picture of {} x {} pixels, {} channels and {} bytes; want 1 or 3 channels and as many bytes",
      file.string(), image.width, image.height, image.channels, image.pixels.size());
}

}  // namespace

Image decode_image(const uint8_t* bytes, size_t count, const std::string& name) {
  AZ_CHECK(count > 0, "{}: the file is empty", name);
  if (codecs::is_jpeg(bytes, count)) return codecs::jpeg_decode(bytes, count, name);
  if (codecs::is_png(bytes, count)) return codecs::png_decode(bytes, count, name);
  if (codecs::is_pnm(bytes, count)) return codecs::pnm_decode(bytes, count, name);
  return codecs::stb_decode(bytes, count, name);
}

Image read_image(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  return decode_image(bytes_of(bytes), bytes.size(), file.string());
}

ReducedImage decode_reduced_image(const uint8_t* bytes, size_t count, const std::string& name,
                                  const ImageSize& wanted) {
  if (codecs::is_jpeg(bytes, count)) return codecs::jpeg_decode_reduced(bytes, count, name, wanted);
  ReducedImage whole{decode_image(bytes, count, name), {}, 1};
  whole.original = {whole.image.width, whole.image.height};
  return whole;
}

ReducedImage read_reduced_image(const std::filesystem::path& file, const ImageSize& wanted) {
  const std::string bytes = read_file(file);
  return decode_reduced_image(bytes_of(bytes), bytes.size(), file.string(), wanted);
}

ImageSize image_size(const uint8_t* bytes, size_t count, const std::string& name) {
  AZ_CHECK(count > 0, "{}: the file is empty", name);
  if (codecs::is_jpeg(bytes, count)) return codecs::jpeg_size(bytes, count, name);
  if (codecs::is_png(bytes, count)) return codecs::png_size(bytes, count, name);
  if (codecs::is_pnm(bytes, count)) return codecs::pnm_size(bytes, count, name);
  return codecs::stb_size(bytes, count, name);
}

ImageSize image_size(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  return image_size(bytes_of(bytes), bytes.size(), file.string());
}

void write_jpeg(const std::filesystem::path& file, const Image& image, int quality, Flush flush) {
  check_writable(image, file);
  AZ_CHECK(quality >= 1 && quality <= 100, "{}: JPEG quality {} is not in 1..100", file.string(), quality);
  write_file(file, codecs::jpeg_encode(image, quality, file.string()), flush);
}

void write_png(const std::filesystem::path& file, const Image& image, Flush flush) {
  check_writable(image, file);
  write_file(file, codecs::png_encode(image, file.string()), flush);
}

}  // namespace az::data
