// Device memory for the allocator, and pinned host memory for copies that do not wait.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/stream.h"
#include "tensor/allocator.h"

namespace az::cuda {

/// The driver's memory behind az::Allocator.
class DeviceMemory final : public RawMemory {
 public:
  /// Error: no room, with the size and what to do; or an allocation while a stream captures.
  void* allocate(int64_t bytes) override;
  void release(void* block, int64_t bytes) noexcept override;
  void fence(void* block, int64_t used, int64_t bytes) noexcept override;
};

/// Page-locked host memory, which the device reads and writes on its own.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(int64_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  int64_t bytes_;
};

/// Pinned buffers that copies to the device pass through: the caller's memory is free at once, the copy runs on.
class PinnedPool {
 public:
  /// Queues a copy of host memory to the device.
  void upload(Stream& stream, void* to, const void* from, int64_t bytes);

 private:
  struct Slot {
    explicit Slot(int64_t bytes) : buffer(bytes) {}
    PinnedBuffer buffer;
    Event free;  // reached when the device has read the buffer
  };
  Slot& next(int64_t bytes);

  std::vector<std::unique_ptr<Slot>> slots_;
  size_t turn_ = 0;
};

}  // namespace az::cuda
