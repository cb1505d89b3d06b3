// What predict found in a picture; what reads has masks of the picture's size with a pixel each.
#include <string_view>

#include "data/found_objects.h"
#include "tensor/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  try {
    const auto found = az::data::decode_found_objects({reinterpret_cast<const char*>(bytes), count}, "fuzz");
    for (const az::data::FoundObject& object : found.objects)
      if (object.mask.width != found.width || az::cpu::rle_area(object.mask) == 0) __builtin_trap();
  } catch (const az::Error&) {
  }
  return 0;
}
