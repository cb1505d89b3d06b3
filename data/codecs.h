// The decoders and encoders behind data/image.h. Nothing else needs it.
#pragma once

#include <string>

#include "data/image.h"

namespace az::data::codecs {

/// Throws unless 1 <= width * height <= kMaxPixels and the file is long enough to hold that many pixels at
/// `pixels_per_byte`, the most its format can reach: a header alone must not make us allocate.
void check_size(int64_t width, int64_t height, size_t file_bytes, int64_t pixels_per_byte, const std::string& name);

bool is_jpeg(const uint8_t* bytes, size_t count);
ImageSize jpeg_size(const uint8_t* bytes, size_t count, const std::string& name);
Image jpeg_decode(const uint8_t* bytes, size_t count, const std::string& name);
ReducedImage jpeg_decode_reduced(const uint8_t* bytes, size_t count, const std::string& name, const ImageSize& wanted);
std::string jpeg_encode(const Image& image, int quality, const std::string& name);

bool is_png(const uint8_t* bytes, size_t count);
ImageSize png_size(const uint8_t* bytes, size_t count, const std::string& name);
Image png_decode(const uint8_t* bytes, size_t count, const std::string& name);
std::string png_encode(const Image& image, const std::string& name);

bool is_pnm(const uint8_t* bytes, size_t count);
ImageSize pnm_size(const uint8_t* bytes, size_t count, const std::string& name);
Image pnm_decode(const uint8_t* bytes, size_t count, const std::string& name);

/// Every other format: BMP and GIF, or an error.
ImageSize stb_size(const uint8_t* bytes, size_t count, const std::string& name);
Image stb_decode(const uint8_t* bytes, size_t count, const std::string& name);

}  // namespace az::data::codecs
