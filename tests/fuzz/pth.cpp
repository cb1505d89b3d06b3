// Any bytes: an error or tensors, and tensors survive being written and read again.
#include <cstdlib>

#include "cpu/device.h"
#include "tensor/error.h"
#include "train/pth_reader.h"
#include "train/pth_writer.h"

namespace {

/// Writes and reads again; false where a tensor did not come back. The errors of this half would be faults of the
/// writer.
bool survives(const az::StateDict& state, az::Device& device) {
  try {
    const std::string bytes = az::train::encode_pth(state);
    return az::train::encode_pth(az::train::decode_pth(bytes, "again", device)) == bytes;
  } catch (const az::Error&) {
    return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static az::cpu::CpuDevice device;
  try {
    const az::StateDict state = az::train::decode_pth({reinterpret_cast<const char*>(data), size}, "input", device);
    // A name that starts with `module.` once more would lose that too, and the allowance for growth is per file.
    bool plain = true;
    for (const auto& [name, tensor] : state) plain = plain && !name.starts_with("module.");
    if (plain && !state.empty() && !survives(state, device)) std::abort();
  } catch (const az::Error&) {
  }
  device.allocator().trim();
  return 0;
}
