// Faults of kernels on the emulated device: __trap(), and addresses that nothing is mapped at.
#pragma once

#include <csetjmp>
#include <csignal>

#include "cuda/emulator/cuda_runtime.h"

namespace az::cuda::emulator {

/// Ends a kernel; the stream that it ran in keeps the error for the next call that waits.
struct DeviceFault {
  cudaError_t error;
};

/// Where a fiber goes when its kernel touches an address that is not there; null outside of kernels.
extern constinit thread_local sigjmp_buf* fault_exit;

/// While one lives, SIGSEGV in a kernel leads to `fault_exit`; elsewhere it does what it did before. Not in builds with
/// a sanitizer, which report such an access themselves.
class AddressTrap {
 public:
  AddressTrap();
  ~AddressTrap();
  AddressTrap(const AddressTrap&) = delete;
  AddressTrap& operator=(const AddressTrap&) = delete;

 private:
  struct sigaction before_ {};
};

}  // namespace az::cuda::emulator
