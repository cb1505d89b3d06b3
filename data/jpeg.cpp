// JPEG by libjpeg-turbo, with its defaults (accurate integer DCT, smooth chroma upsampling), which are OpenCV's and so
// the references'. libjpeg leaves a function that failed through longjmp: no object with a destructor is made between
// setjmp and a library call.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <jpeglib.h>

#include <jerror.h>

#include "data/codecs.h"
#include "tensor/error.h"

namespace az::data::codecs {
namespace {

// A block of 8x8 pixels takes at least one bit of Huffman code; arithmetic coding has no such floor, but does not come
// near 16 times that on photographs.
constexpr int64_t kHuffmanPixelsPerByte = 512;
constexpr int64_t kArithmeticPixelsPerByte = 16 * kHuffmanPixelsPerByte;
constexpr int kMaxScans = 256;  // encoders write about 10; each costs a pass over the whole picture

struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands this address back
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  bool ended_early;  // the decoder ran past the last byte
  bool lost_data;    // and lacked picture data
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  info->err->format_message(info, errors->text);
  std::longjmp(errors->jump, 1);
}

void on_message(j_common_ptr info, int level) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  if (level >= 0) return;  // a trace
  if (info->err->msg_code == JWRN_JPEG_EOF) errors->ended_early = true;
  if (info->err->msg_code == JWRN_HIT_MARKER) errors->lost_data = true;
}

void on_progress(j_common_ptr info) {
  auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number <= kMaxScans) return;
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  std::snprintf(errors->text, sizeof errors->text, "more than %d scans", kMaxScans);
  std::longjmp(errors->jump, 1);
}

jpeg_error_mgr* start(ErrorManager& errors) {
  jpeg_error_mgr* base = jpeg_std_error(&errors.base);
  base->error_exit = on_error;
  base->emit_message = on_message;
  errors.text[0] = '\0';
  errors.ended_early = errors.lost_data = false;
  return base;
}

/// One picture being decoded. Each step returns false when libjpeg failed; the reason is then in errors.text.
class Decoder {
 public:
  Decoder() {
    info_.err = start(errors_);
    // Fails only where the headers and the library disagree; then destroying the zeroed struct is harmless.
    if (setjmp(errors_.jump) == 0) jpeg_create_decompress(&info_);
    progress_.progress_monitor = on_progress;
    info_.progress = &progress_;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool read_header(const uint8_t* bytes, size_t count) {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_mem_src(&info_, bytes, static_cast<unsigned long>(count));
    jpeg_read_header(&info_, TRUE);
    return true;
  }
  /// After the header: read_pixels gives 1 / divisor of the picture. `size` becomes what it will be.
  bool reduce(int divisor, ImageSize& size) {
    if (setjmp(errors_.jump) != 0) return false;
    info_.scale_num = 1;
    info_.scale_denom = static_cast<unsigned>(divisor);
    jpeg_calc_output_dimensions(&info_);
    size = {static_cast<int>(info_.output_width), static_cast<int>(info_.output_height)};
    return true;
  }
  /// rgb  [height, width, 3] of the reduced size
  bool read_pixels(uint8_t* rgb) {
    if (setjmp(errors_.jump) != 0) return false;
    const bool four = info_.num_components == 4;  // CMYK, or YCCK that libjpeg makes CMYK of
    info_.out_color_space = four ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    const size_t width = info_.output_width;
    JSAMPARRAY cmyk = nullptr;
    if (four) {
      cmyk = info_.mem->alloc_sarray(reinterpret_cast<j_common_ptr>(&info_), JPOOL_IMAGE, info_.output_width * 4, 1);
    }
    while (info_.output_scanline < info_.output_height) {
      uint8_t* row = rgb + info_.output_scanline * width * 3;
      JSAMPROW target = four ? cmyk[0] : row;
      jpeg_read_scanlines(&info_, &target, 1);
      if (four) cmyk_to_rgb(cmyk[0], row, width);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  /// The data ended before the picture did. A progressive picture may lack whole scans without a second warning.
  bool truncated() const { return errors_.ended_early && (errors_.lost_data || info_.progressive_mode != 0); }
  const jpeg_decompress_struct& info() const { return info_; }
  const char* reason() const { return errors_.text; }

 private:
  void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, size_t width) const {
    const uint8_t invert = info_.saw_Adobe_marker ? 0 : 255;  // Adobe stores 255 for no ink
    for (size_t x = 0; x < width; ++x) {
      const int black = cmyk[4 * x + 3] ^ invert;
      for (size_t c = 0; c < 3; ++c) {
        const int ink = cmyk[4 * x + c] ^ invert;
        rgb[3 * x + c] = static_cast<uint8_t>(black - (((255 - ink) * black) >> 8));
      }
    }
  }

  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  ErrorManager errors_{};
};

void read_header(Decoder& decoder, const uint8_t* bytes, size_t count, const std::string& name) {
  AZ_CHECK(decoder.read_header(bytes, count), "{}: not a readable JPEG: {}", name, decoder.reason());
  const jpeg_decompress_struct& info = decoder.info();
  check_size(info.image_width, info.image_height, count,
             info.arith_code ? kArithmeticPixelsPerByte : kHuffmanPixelsPerByte, name);
}

/// One picture being encoded into memory that libjpeg allocates.
class Encoder {
 public:
  Encoder() {
    info_.err = start(errors_);
    if (setjmp(errors_.jump) == 0) jpeg_create_compress(&info_);
  }
  ~Encoder() {
    jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  bool encode(const Image& image, int quality) {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_mem_dest(&info_, &bytes_, &count_);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.input_components = image.channels;
    info_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      // libjpeg does not write to the row; its type predates const.
      JSAMPROW row = const_cast<uint8_t*>(image.at(0, static_cast<int>(info_.next_scanline)));
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }
  std::string bytes() const { return {reinterpret_cast<const char*>(bytes_), count_}; }
  const char* reason() const { return errors_.text; }

 private:
  jpeg_compress_struct info_{};
  ErrorManager errors_{};
  unsigned char* bytes_ = nullptr;
  unsigned long count_ = 0;
};

}  // namespace

bool is_jpeg(const uint8_t* bytes, size_t count) {
  return count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

ImageSize jpeg_size(const uint8_t* bytes, size_t count, const std::string& name) {
  Decoder decoder;
  read_header(decoder, bytes, count, name);
  return {static_cast<int>(decoder.info().image_width), static_cast<int>(decoder.info().image_height)};
}

Image jpeg_decode(const uint8_t* bytes, size_t count, const std::string& name) {
  return jpeg_decode_reduced(bytes, count, name, {}).image;
}

ReducedImage jpeg_decode_reduced(const uint8_t* bytes, size_t count, const std::string& name, const ImageSize& wanted) {
  Decoder decoder;
  read_header(decoder, bytes, count, name);
  ReducedImage reduced;
  reduced.original = {static_cast<int>(decoder.info().image_width), static_cast<int>(decoder.info().image_height)};
  const auto holds = [&](int divisor) {  // an original of divisor times the wanted size
    return wanted.width > 0 && wanted.height > 0 && reduced.original.width / divisor >= wanted.width &&
           reduced.original.height / divisor >= wanted.height;
  };
  while (reduced.divisor < 8 && holds(2 * reduced.divisor)) reduced.divisor *= 2;
  ImageSize size = reduced.original;
  const bool ready = reduced.divisor == 1 || decoder.reduce(reduced.divisor, size);
  AZ_CHECK(ready, "{}: not a readable JPEG: {}", name, decoder.reason());
  reduced.image = Image(size.width, size.height);
  const bool ok = decoder.read_pixels(reduced.image.pixels.data());
  AZ_CHECK(!decoder.truncated(), "{}: the JPEG data ends early; the file is cut short", name);
  AZ_CHECK(ok, "{}: not a readable JPEG: {}", name, decoder.reason());
  return reduced;
}

std::string jpeg_encode(const Image& image, int quality, const std::string& name) {
  Encoder encoder;
  AZ_CHECK(encoder.encode(image, quality), "{}: cannot encode it as JPEG: {}", name, encoder.reason());
  return encoder.bytes();
}

}  // namespace az::data::codecs
