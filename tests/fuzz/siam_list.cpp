// A list of training crops; what reads has frames in rising order, and loses no box with an extent by dropping.
#include <string_view>

#include "data/siam_list.h"
#include "tensor/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  try {
    az::data::SiamList list = az::data::decode_siam_list({reinterpret_cast<const char*>(bytes), count}, "fuzz");
    size_t usable = 0;
    for (size_t t = 0; t < list.tracks().size(); ++t) {
      int64_t last = -1;
      for (const az::data::SiamFrame& frame : list.frames_of(t)) {
        if (frame.number <= last) __builtin_trap();
        last = frame.number;
        usable += frame.box.x2 > frame.box.x1 && frame.box.y2 > frame.box.y1;
      }
    }
    list.drop_empty();
    if (list.frame_count() != usable) __builtin_trap();
  } catch (const az::Error&) {
  }
  return 0;
}
