#include "cuda/memory.h"

#include <algorithm>
#include <cstring>

#include "cuda/runtime.h"
#include "tensor/error.h"
#include "tensor/sanitizer.h"

#ifdef AZ_CUDA_EMULATED
#include "cuda/emulator/memory.h"
#endif

namespace az::cuda {
namespace {

constexpr int64_t kSlotBytes = int64_t{4} << 20;
constexpr size_t kSlots = 4;

}  // namespace

void* DeviceMemory::allocate(int64_t bytes) {
  void* block = nullptr;
  const cudaError_t error = cudaMalloc(&block, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    fail("cuda: out of memory asking for {} MiB; use a smaller batch or image", bytes >> 20);
  }
  AZ_CUDA(error, fmt::format("cuda: allocating {} bytes", bytes));
  return block;
}

void DeviceMemory::release(void* block, int64_t) noexcept { cudaFree(block); }

void DeviceMemory::fence([[maybe_unused]] void* block, [[maybe_unused]] int64_t used,
                         [[maybe_unused]] int64_t bytes) noexcept {
#ifdef AZ_CUDA_EMULATED
  unpoison(block, static_cast<size_t>(bytes));
  poison(static_cast<char*>(block) + used, static_cast<size_t>(bytes - used));
  if (used > 0) {
    emulator::memory_map().add(block, static_cast<size_t>(used));
  } else {
    emulator::memory_map().remove(block);
  }
#endif
}

PinnedBuffer::PinnedBuffer(int64_t bytes) : bytes_(bytes) {
  AZ_CUDA(cudaMallocHost(&data_, static_cast<size_t>(bytes)), fmt::format("cuda: {} bytes of pinned memory", bytes));
}
PinnedBuffer::~PinnedBuffer() { cudaFreeHost(data_); }

PinnedPool::Slot& PinnedPool::next(int64_t bytes) {
  if (slots_.size() < kSlots) {
    slots_.push_back(std::make_unique<Slot>(bytes));
    return *slots_.back();
  }
  auto& slot = slots_[turn_++ % kSlots];
  slot->free.synchronise();
  if (slot->buffer.bytes() < bytes) slot = std::make_unique<Slot>(bytes);
  return *slot;
}

void PinnedPool::upload(Stream& stream, void* to, const void* from, int64_t bytes) {
  AZ_CHECK(!stream.capturing(), "cuda: a copy of {} bytes from host memory while a graph is captured", bytes);
  for (int64_t at = 0; at < bytes;) {
    Slot& slot = next(std::min(bytes - at, kSlotBytes));
    const int64_t part = std::min(bytes - at, slot.buffer.bytes());
    std::memcpy(slot.buffer.data(), static_cast<const char*>(from) + at, static_cast<size_t>(part));
    AZ_CUDA(cudaMemcpyAsync(static_cast<char*>(to) + at, slot.buffer.data(), static_cast<size_t>(part),
                            cudaMemcpyHostToDevice, stream.get()),
            fmt::format("cuda: copying {} bytes to the device", bytes));
    slot.free.record(stream);
    at += part;
  }
}

}  // namespace az::cuda
