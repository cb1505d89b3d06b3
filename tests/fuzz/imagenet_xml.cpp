// An annotation of ImageNet's, with and without tracks; what reads has boxes that a crop can be made of, or be refused.
#include <cmath>
#include <string_view>

#include "data/imagenet_xml.h"
#include "tensor/error.h"

namespace {

void decode(std::string_view text, bool tracks) {
  try {
    for (const az::data::ImagenetObject& object : az::data::decode_imagenet_xml(text, "fuzz", tracks)) {
      if (tracks ? object.track < 0 || object.track >= 1000000 : object.track != -1) __builtin_trap();
      if (!object.box) continue;
      if (!(object.box->x2 > object.box->x1 && object.box->y2 > object.box->y1)) __builtin_trap();
      if (!(az::data::crop511_map(*object.box, az::data::BoxExtent::exclusive)[0] > 0)) __builtin_trap();
    }
  } catch (const az::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  decode(text, false);
  decode(text, true);
  return 0;
}
