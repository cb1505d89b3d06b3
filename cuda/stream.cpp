#include "cuda/stream.h"

#include <fmt/format.h>

#include "cuda/runtime.h"
#include "tensor/error.h"

namespace az::cuda {

void throw_cuda(cudaError_t error, const char* call, const std::string& what) {
  fail("{}: {} ({})", what, cudaGetErrorString(error), std::string(call).substr(0, std::string(call).find('(')));
}

Stream::Stream() { AZ_CUDA(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cuda: a new stream"); }
Stream::~Stream() { cudaStreamDestroy(handle_); }
void Stream::synchronise() { AZ_CUDA(cudaStreamSynchronize(handle_), "cuda: waiting for the device"); }

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
