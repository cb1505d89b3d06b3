// Bytes behind a JPEG start marker.
#include <vector>

#include "tests/fuzz/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  std::vector<uint8_t> file{0xFF, 0xD8, 0xFF};
  file.insert(file.end(), bytes, bytes + count);
  az::fuzz::decode(file.data(), file.size());
  return 0;
}
