#include "cuda/driver.h"

#include <fmt/format.h>

#include "cuda/device.h"
#include "cuda/emulator/memory.h"
#include "tensor/error.h"

namespace az::cuda {

std::string unavailable() { return {}; }

void select_device(int index) {
  AZ_CHECK(index == 0, "cuda: there is no GPU {}; the emulated device is number 0", index);
  emulator::memory_map();  // made before the device, so that it outlives a static one
}

std::string device_label(int index) { return fmt::format("cuda:{} (emulated)", index); }

std::string description() { return "emulated on the host: our kernels as they are, oneDNN for cuDNN and cuBLAS"; }

}  // namespace az::cuda
