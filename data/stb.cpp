// BMP and GIF by stb_image, compiled here with only those formats: JPEG and PNG have their own libraries, its PNM
// reader can be made to write past its memory, and the rest are not photographs or recognised too easily (TGA has no
// signature).
#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>

// stb leaves some memory unset where a file ends early; zeros keep such a picture the same from run to run.
#define STBI_MALLOC(bytes) std::calloc(1, bytes)
#define STBI_REALLOC(block, bytes) std::realloc(block, bytes)
#define STBI_FREE(block) std::free(block)
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_NO_STDIO
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

#include "data/codecs.h"
#include "tensor/error.h"

namespace az::data::codecs {
namespace {

// GIF's codes of 12 bits stand for up to 4096 pixels each, but a photograph does not come near it.
constexpr int64_t kPixelsPerByte = 512;

struct FreeStb {
  void operator()(uint8_t* pixels) const { stbi_image_free(pixels); }
};

/// A file in memory that notes whether stb asked for bytes behind its end (where stb itself goes on with zeros).
struct Source {
  const uint8_t* bytes;
  size_t count;
  size_t position = 0;
  bool ended_early = false;

  static int read(void* user, char* out, int wanted) {
    constexpr size_t kBuffer = sizeof(stbi__context::buffer_start);  // filled in advance, so may come back short
    auto* self = static_cast<Source*>(user);
    const size_t want = static_cast<size_t>(wanted);
    const size_t given = std::min(want, self->count - self->position);
    if (given == 0 || (given < want && want != kBuffer)) self->ended_early = true;
    std::memcpy(out, self->bytes + self->position, given);
    self->position += given;
    return static_cast<int>(given);
  }
  static void skip(void* user, int distance) {
    auto* self = static_cast<Source*>(user);
    const int64_t to = static_cast<int64_t>(self->position) + distance;
    if (to > static_cast<int64_t>(self->count)) self->ended_early = true;
    self->position = static_cast<size_t>(std::clamp<int64_t>(to, 0, static_cast<int64_t>(self->count)));
  }
  static int at_end(void* user) {
    const auto* self = static_cast<Source*>(user);
    return self->position == self->count ? 1 : 0;
  }
};
constexpr stbi_io_callbacks kCallbacks{Source::read, Source::skip, Source::at_end};

}  // namespace

ImageSize stb_size(const uint8_t* bytes, size_t count, const std::string& name) {
  AZ_CHECK(count <= INT_MAX, "{}: {} bytes are more than a picture may have", name, count);
  int width = 0;
  int height = 0;
  int channels = 0;
  AZ_CHECK(stbi_info_from_memory(bytes, static_cast<int>(count), &width, &height, &channels) != 0,
           "{}: not a picture that can be read (JPEG, PNG, BMP, GIF, PPM and PGM can)", name);
  check_size(width, height, count, kPixelsPerByte, name);
  return {width, height};
}

Image stb_decode(const uint8_t* bytes, size_t count, const std::string& name) {
  const ImageSize size = stb_size(bytes, count, name);
  Source source{bytes, count};
  int width = 0;
  int height = 0;
  int channels = 0;
  const std::unique_ptr<uint8_t, FreeStb> pixels(
      stbi_load_from_callbacks(&kCallbacks, &source, &width, &height, &channels, 3));
  AZ_CHECK(!source.ended_early, "{}: the picture's data ends early; the file is cut short", name);
  AZ_CHECK(pixels != nullptr, "{}: damaged picture: {}", name, stbi_failure_reason());
  AZ_CHECK(width == size.width && height == size.height, "{}: damaged picture: two different sizes", name);
  Image image(width, height);
  std::memcpy(image.pixels.data(), pixels.get(), image.pixels.size());
  return image;
}

}  // namespace az::data::codecs
