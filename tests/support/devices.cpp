#include "tests/support/devices.h"

#include "cpu/device.h"
#include "cuda/build.h"
#include "cuda/device.h"

#ifdef AZ_CUDA_EMULATED
#include "cuda/emulator/coverage.h"
#endif

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

#ifdef AZ_CUDA_EMULATED
struct Compared::Scope : cuda::emulator::CompareScope {
  using CompareScope::CompareScope;
};
struct Sizes::Scope : cuda::emulator::SizeScope {
  using SizeScope::SizeScope;
};
Compared::Compared(Against against) : scope_(std::make_unique<Scope>(static_cast<cuda::emulator::Against>(against))) {}
Sizes::Sizes(std::initializer_list<int64_t> sizes) : scope_(std::make_unique<Scope>(sizes)) {}
#else
struct Compared::Scope {};
struct Sizes::Scope {};
Compared::Compared(Against) {}
Sizes::Sizes(std::initializer_list<int64_t>) {}
#endif
Compared::~Compared() = default;
Sizes::~Sizes() = default;

Device& cpu() {
  static cpu::CpuDevice device;
  return device;
}

Device* cuda() { return cuda_device<cuda::kBuilt>(/*exact=*/false); }

std::vector<Device*> devices() { return with_cuda(cpu(), /*exact=*/false); }

ComparedDevices devices(Against against) { return {Compared(against), devices()}; }

std::vector<Device*> exact_devices() {
  static cpu::CpuDevice device(/*exact=*/true);
  return with_cuda(device, /*exact=*/true);
}

}  // namespace az::test
