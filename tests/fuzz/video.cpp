// The bytes as a video: its first frames.
#include "data/video.h"
#include "tensor/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  try {
    az::data::VideoReader reader(bytes, count, "fuzz");
    az::data::Image image;
    for (int i = 0; i < 4 && reader.next(image); ++i)
      if (image.pixels.size() != size_t(image.width) * size_t(image.height) * 3) __builtin_trap();
  } catch (const az::Error&) {
  }
  return 0;
}
