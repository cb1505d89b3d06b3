#include "cuda/device.h"

#include <fmt/format.h>

#include "cuda/driver.h"
#include "cuda/elementwise.h"
#include "cuda/library.h"
#include "cuda/memory.h"
#include "cuda/runtime.h"
#include "tensor/error.h"

namespace az::cuda {
namespace {

/// The GPU is chosen before anything is made on it.
std::unique_ptr<RawMemory> memory_of(int index) {
  select_device(index);
  return std::make_unique<DeviceMemory>();
}

void queue_copy(Stream& stream, void* to, const void* from, int64_t bytes, cudaMemcpyKind kind, const char* way) {
  if (bytes == 0) return;
  AZ_CUDA(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), kind, stream.get()),
          fmt::format("cuda: copying {} bytes {} the device", bytes, way));
}

}  // namespace

CudaDevice::CudaDevice(int index, bool exact)
    : Device(memory_of(index)),
      exact_(exact),
      name_(device_label(index)),
      stream_(std::make_unique<Stream>()),
      pinned_(std::make_unique<PinnedPool>()),
      library_(std::make_unique<Library>(*stream_, allocator(), exact)) {}

CudaDevice::~CudaDevice() = default;

void CudaDevice::copy_from_host(void* to, const void* from, int64_t bytes) {
  pinned_->upload(*stream_, to, from, bytes);
}

void CudaDevice::copy_to_host(void* to, const void* from, int64_t bytes) {
  AZ_CHECK(!stream_->capturing(), "cuda: a copy of {} bytes to the host while a graph is captured", bytes);
  queue_copy(*stream_, to, from, bytes, cudaMemcpyDeviceToHost, "from");
  stream_->synchronise();
}

void CudaDevice::copy(void* to, const void* from, int64_t bytes) {
  queue_copy(*stream_, to, from, bytes, cudaMemcpyDeviceToDevice, "on");
}

void CudaDevice::fill_zero(void* to, int64_t bytes) {
  if (bytes > 0)
    AZ_CUDA(cudaMemsetAsync(to, 0, static_cast<size_t>(bytes), stream_->get()),
            fmt::format("cuda: clearing {} bytes", bytes));
}

void CudaDevice::fill(void* to, const void* value, int64_t value_bytes, int64_t count) {
  cuda::fill(*stream_, to, value, value_bytes, count);
}

}  // namespace az::cuda
