// A kernel's own fault (__trap) on the emulated device.
#pragma once

#include "cuda/emulator/cuda_runtime.h"

namespace az::cuda::emulator {

/// Thrown through the kernel; the stream that it ran in keeps the error for the next call that waits.
struct DeviceFault {
  cudaError_t error;
};

}  // namespace az::cuda::emulator
