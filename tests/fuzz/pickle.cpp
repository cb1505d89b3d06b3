// The pickle machine by itself: behind the zip layout's checksums a fuzzer would never find it.
#include "train/pickle.h"

#include <cstdlib>

#include "tensor/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const az::train::Pickle pickle({reinterpret_cast<const char*>(data), size}, "input");
    if (pickle.size() > size) std::abort();
    pickle.root().find("state_dict");
  } catch (const az::Error&) {
  }
  return 0;
}
