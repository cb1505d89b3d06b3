// The emulated device's memory. With AZ_SIMT_GUARD=1 it lies in a range of its own that only queued work can touch:
// host code that follows a device pointer, which a GPU would not forgive, then dies of it here too.
#pragma once

#include <cstddef>

namespace az::cuda::emulator {

/// Null where there is none left.
void* device_allocate(size_t bytes);
void device_release(void* block);

/// While one lives, device memory can be touched: around every piece of queued work.
class OnDevice {
 public:
  OnDevice();
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
};

}  // namespace az::cuda::emulator
