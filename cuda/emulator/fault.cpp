#include "cuda/emulator/fault.h"

namespace az::cuda::emulator {

constinit thread_local sigjmp_buf* fault_exit = nullptr;

#if defined(AZ_SANITIZED)
AddressTrap::AddressTrap() = default;
AddressTrap::~AddressTrap() = default;
#else
namespace {

/// Kernels own nothing that a jump past their frames would lose.
void leave_kernel(int) {
  if (fault_exit) siglongjmp(*fault_exit, 1);
  // Host code: the access is repeated and ends the process.
  std::signal(SIGSEGV, SIG_DFL);
}

}  // namespace

AddressTrap::AddressTrap() {
  struct sigaction action {};
  action.sa_handler = &leave_kernel;
  action.sa_flags = SA_NODEFER;  // the handler never returns to a kernel, so that nothing would unblock it
  sigaction(SIGSEGV, &action, &before_);
}
AddressTrap::~AddressTrap() { sigaction(SIGSEGV, &before_, nullptr); }
#endif

}  // namespace az::cuda::emulator
