// What the picture fuzzers share.
#pragma once

#include "data/image.h"
#include "tensor/error.h"

namespace az::fuzz {

/// Decodes the bytes as a picture. An Error is a good answer; anything else is a finding.
inline void decode(const uint8_t* bytes, size_t count) {
  try {
    const data::ImageSize size = data::image_size(bytes, count, "fuzz");
    const data::Image image = data::decode_image(bytes, count, "fuzz");
    if (image.width != size.width || image.height != size.height) __builtin_trap();
  } catch (const Error&) {
  }
}

}  // namespace az::fuzz
