#include "cuda/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "cuda/runtime.h"
#include "tensor/error.h"

namespace az::cuda {
namespace {

/// Errors of a kernel that ran: whatever call comes next reports them, and the device is of no use from then on.
bool left_by_a_kernel(cudaError_t error) {
  return error == cudaErrorIllegalAddress || error == cudaErrorAssert || error == cudaErrorLaunchFailure ||
         error == cudaErrorMisalignedAddress;
}

bool asked_to_wait() {
  const char* value = std::getenv("AZ_SYNC");
  return value && std::strcmp(value, "1") == 0;
}

}  // namespace

void throw_cuda(cudaError_t error, const char* call, const std::string& what) {
  const std::string_view name(call);
  fail("{}: {} ({}){}", what, cudaGetErrorString(error), name.substr(0, name.find('(')),
       left_by_a_kernel(error) ? "; a kernel launched before did this, not this call: run with AZ_SYNC=1 in the "
                                 "environment to have it named"
                               : "");
}

void throw_kernel_fault(cudaError_t error, const std::string& what) {
  fail("{}: {} (found with AZ_SYNC=1)", what, cudaGetErrorString(error));
}

Stream::Stream() : waits_for_launches_(asked_to_wait()) {
  AZ_CUDA(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cuda: a new stream");
}
Stream::~Stream() { cudaStreamDestroy(handle_); }

void Stream::synchronise() {
  const auto launches = [this] {
    const auto known = std::min<int64_t>(launches_, static_cast<int64_t>(last_.size()));
    std::string names;
    for (int64_t i = launches_ - known; i < launches_; ++i)
      names += fmt::format("{}{}", names.empty() ? "" : ", ", last_[static_cast<size_t>(i) % last_.size()]);
    return launches_ == 0
               ? std::string()
               : fmt::format(" after {} launches that nothing waited for, the last of them {}", launches_, names);
  };
  AZ_CUDA(cudaStreamSynchronize(handle_), "cuda: waiting for the device" + launches());
  note_wait();
}

Event::Event() { AZ_CUDA(cudaEventCreate(&handle_), "cuda: a new event"); }
Event::~Event() { cudaEventDestroy(handle_); }
void Event::record(Stream& stream) { AZ_CUDA(cudaEventRecord(handle_, stream.get()), "cuda: recording an event"); }
void Event::synchronise() { AZ_CUDA(cudaEventSynchronize(handle_), "cuda: waiting for an event"); }
double Event::ms_since(const Event& begin) const {
  float ms = 0;
  AZ_CUDA(cudaEventElapsedTime(&ms, begin.handle_, handle_), "cuda: time between events");
  return double{ms};
}

}  // namespace az::cuda
