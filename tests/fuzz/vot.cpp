// A list of regions, and the same bytes as a set's JSON; what reads has an overlap with itself.
#include <string>

#include "data/vot.h"
#include "tensor/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  const std::string text(reinterpret_cast<const char*>(bytes), count);
  try {
    for (const az::cpu::Region& region : az::data::parse_regions(text, "fuzz"))
      if (const float own = az::cpu::region_overlap(region, region, az::cpu::RegionBounds{320, 240});
          own < 0 || own > 1)
        __builtin_trap();
  } catch (const az::Error&) {
  }
  try {
    az::data::decode_vot_json(text, "fuzz");
  } catch (const az::Error&) {
  }
  return 0;
}
