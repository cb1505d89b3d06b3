// What the picture fuzzers share.
#pragma once

#include <algorithm>

#include "data/image.h"
#include "tensor/error.h"

namespace az::fuzz {

/// Decodes the bytes as a picture. An Error is a good answer; anything else is a finding.
inline void decode(const uint8_t* bytes, size_t count) {
  try {
    const data::ImageSize size = data::image_size(bytes, count, "fuzz");
    const data::Image image = data::decode_image(bytes, count, "fuzz");
    if (image.width != size.width || image.height != size.height) __builtin_trap();
    for (const int divisor : {2, 4, 8}) {
      const data::ImageSize wanted{std::max(size.width / divisor, 1), std::max(size.height / divisor, 1)};
      const data::ReducedImage reduced = data::decode_reduced_image(bytes, count, "fuzz", wanted);
      const auto side = [&](int original) { return (original + reduced.divisor - 1) / reduced.divisor; };
      if (reduced.original != size || reduced.image.width != side(size.width) ||
          reduced.image.height != side(size.height))
        __builtin_trap();
    }
  } catch (const Error&) {
  }
}

}  // namespace az::fuzz
