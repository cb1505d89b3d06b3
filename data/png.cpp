// PNG by libpng: stb_image's reader checks no checksums. As OpenCV's, and so the references': alpha is dropped, 16 bits
// become their upper 8, gamma is not applied. libpng leaves a function that failed through longjmp: no object with a
// destructor is made between setjmp and a library call.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include "data/codecs.h"
#include "tensor/error.h"

namespace az::data::codecs {
namespace {

// Deflate reaches 1032:1; pictures of less than a byte a pixel are not photographs.
constexpr int64_t kPixelsPerByte = 1100;
constexpr png_alloc_size_t kMaxChunkBytes = 8 << 20;  // of a text or a profile, which may be packed

/// One picture being decoded. Each step returns false when libpng failed; the reason is then in reason().
class Decoder {
 public:
  Decoder(const uint8_t* bytes, size_t count) : bytes_(bytes), left_(count) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool ready() const { return info_ != nullptr; }
  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, this, read);
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
    png_read_info(png_, info_);
    return true;
  }
  /// rgb  [height, width, 3]; rows holds the address of each of its rows
  bool read_pixels(std::vector<png_bytep>& rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_strip_16(png_);
    png_set_expand(png_);  // palettes to colours, fewer bits to 8
    png_set_strip_alpha(png_);
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != 3 * static_cast<size_t>(width())) png_error(png_, "unknown kind of pixels");
    png_read_image(png_, rows.data());
    return true;
  }
  png_uint_32 width() const { return png_get_image_width(png_, info_); }
  png_uint_32 height() const { return png_get_image_height(png_, info_); }
  const char* reason() const { return reason_; }
  bool ended_early() const { return ended_early_; }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp text) {
    auto* self = static_cast<Decoder*>(png_get_error_ptr(png));
    std::snprintf(self->reason_, sizeof self->reason_, "%s", text);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void read(png_structp png, png_bytep out, size_t count) {
    auto* self = static_cast<Decoder*>(png_get_io_ptr(png));
    if (count > self->left_) {
      self->ended_early_ = true;
      png_error(png, "the data ends early");
    }
    std::memcpy(out, self->bytes_, count);
    self->bytes_ += count;
    self->left_ -= count;
  }

  const uint8_t* bytes_;
  size_t left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  bool ended_early_ = false;
  char reason_[128] = "out of memory";
};

void check(const Decoder& decoder, bool ok, const std::string& name) {
  AZ_CHECK(ok || !decoder.ended_early(), "{}: the PNG data ends early; the file is cut short", name);
  AZ_CHECK(ok, "{}: not a readable PNG: {}", name, decoder.reason());
}

void read_header(Decoder& decoder, size_t count, const std::string& name) {
  check(decoder, decoder.ready() && decoder.read_header(), name);
  check_size(decoder.width(), decoder.height(), count, kPixelsPerByte, name);
}

}  // namespace

bool is_png(const uint8_t* bytes, size_t count) { return count >= 8 && png_sig_cmp(bytes, 0, 8) == 0; }

ImageSize png_size(const uint8_t* bytes, size_t count, const std::string& name) {
  Decoder decoder(bytes, count);
  read_header(decoder, count, name);
  return {static_cast<int>(decoder.width()), static_cast<int>(decoder.height())};
}

Image png_decode(const uint8_t* bytes, size_t count, const std::string& name) {
  Decoder decoder(bytes, count);
  read_header(decoder, count, name);
  Image image(static_cast<int>(decoder.width()), static_cast<int>(decoder.height()));
  std::vector<png_bytep> rows(decoder.height());
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = image.at(0, static_cast<int>(y));
  check(decoder, decoder.read_pixels(rows), name);
  return image;
}

std::string png_encode(const Image& image, const std::string& name) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  if (image.channels == 1) png.flags = PNG_IMAGE_FLAG_FAST;  // masks: small anyway, and there are thousands
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string encoded(bytes, '\0');
  const int ok = png_image_write_to_memory(&png, encoded.data(), &bytes, 0, image.pixels.data(), 0, nullptr);
  const std::string reason = png.message;
  png_image_free(&png);
  AZ_CHECK(ok != 0, "{}: cannot encode it as PNG: {}", name, reason);
  encoded.resize(bytes);
  return encoded;
}

}  // namespace az::data::codecs
