// Bytes behind a PNG signature.
#include <vector>

#include "tests/fuzz/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  std::vector<uint8_t> file{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  file.insert(file.end(), bytes, bytes + count);
  az::fuzz::decode(file.data(), file.size());
  return 0;
}
