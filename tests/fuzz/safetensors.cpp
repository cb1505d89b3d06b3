// Any bytes: an error or tensors, and tensors survive being written and read again.
#include "tensor/safetensors.h"

#include <cstdlib>

#include "cpu/device.h"
#include "tensor/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static az::cpu::CpuDevice device;
  try {
    az::Metadata metadata;
    const az::StateDict tensors =
        az::decode_safetensors({reinterpret_cast<const char*>(data), size}, "input", device, &metadata);
    const std::string bytes = az::encode_safetensors(tensors, metadata);
    const az::StateDict again = az::decode_safetensors(bytes, "again", device);
    if (az::encode_safetensors(again, metadata) != bytes) std::abort();
  } catch (const az::Error&) {
  }
  device.allocator().trim();
  return 0;
}
