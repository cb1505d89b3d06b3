#include "tests/support/devices.h"

#include "cpu/device.h"
#include "cuda/build.h"
#include "cuda/device.h"

namespace az::test {
namespace {

/// The CUDA device of the build and machine, or null.
template <bool kBuilt>
Device* cuda_device(bool exact) {
  if constexpr (kBuilt) {
    if (!cuda::unavailable().empty()) return nullptr;
    static cuda::CudaDevice device;
    static cuda::CudaDevice exact_device(0, /*exact=*/true);
    return exact ? &exact_device : &device;
  }
  return nullptr;
}

std::vector<Device*> with_cuda(Device& host, bool exact) {
  std::vector<Device*> devices{&host};
  if (Device* device = cuda_device<cuda::kBuilt>(exact)) devices.push_back(device);
  return devices;
}

}  // namespace

Device& cpu() {
  static cpu::CpuDevice device;
  return device;
}

Device* cuda() { return cuda_device<cuda::kBuilt>(/*exact=*/false); }

std::vector<Device*> devices() { return with_cuda(cpu(), /*exact=*/false); }

std::vector<Device*> exact_devices() {
  static cpu::CpuDevice device(/*exact=*/true);
  return with_cuda(device, /*exact=*/true);
}

}  // namespace az::test
