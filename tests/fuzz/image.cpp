// Any bytes as a picture: the choice of the decoder by content.
#include "tests/fuzz/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  az::fuzz::decode(bytes, count);
  return 0;
}
