// CUDA's runtime API, or the emulated device's part of it, and the check of its results. Only sources of cuda/ include
// it.
#pragma once

#ifdef AZ_CUDA_EMULATED
#include "cuda/emulator/cuda_runtime.h"
#else
#include <cuda_runtime.h>
#endif

#include <string>

namespace az::cuda {

/// Throws az::Error with the driver's text. An error that an earlier kernel left behind is said to be that.
[[noreturn]] void throw_cuda(cudaError_t error, const char* call, const std::string& what);
/// The same for the kernel that a wait right after its launch has blamed.
[[noreturn]] void throw_kernel_fault(cudaError_t error, const std::string& what);

}  // namespace az::cuda

/// Checks a runtime call. `describe` is evaluated only on failure, so it may build a long string.
#define AZ_CUDA(call, describe)                                                \
  do {                                                                         \
    if (const cudaError_t error_ = (call); error_ != cudaSuccess) [[unlikely]] \
      ::az::cuda::throw_cuda(error_, #call, (describe));                       \
  } while (0)
