// A GPU as a device: memory, one stream, library handles. In a build with the emulation it is made of the host.
#pragma once

#include <memory>
#include <string>

#include "cuda/stream.h"
#include "tensor/device.h"

namespace az::cuda {

class Library;
class PinnedPool;

class CudaDevice final : public Device {
 public:
  /// `exact`: convolutions and products in f32 without TF32 and, on the emulated device, summed in double.
  /// Error: no driver, no GPU of that index, a GPU older than the kernels.
  explicit CudaDevice(int index = 0, bool exact = false);
  ~CudaDevice() override;

  DeviceKind kind() const override { return DeviceKind::cuda; }
  std::string name() const override { return name_; }
  void copy_from_host(void* to, const void* from, int64_t bytes) override;
  void copy_to_host(void* to, const void* from, int64_t bytes) override;
  void copy(void* to, const void* from, int64_t bytes) override;
  void fill_zero(void* to, int64_t bytes) override;
  void fill(void* to, const void* value, int64_t value_bytes, int64_t count) override;
  void synchronise() override { stream_->synchronise(); }
  /// Events of the stream.
  std::unique_ptr<ProfileClock> profile_clock() override;

  Stream& stream() { return *stream_; }
  bool exact() const { return exact_; }
  /// cuDNN and cuBLAS, or their stand-ins (cuda/library.h).
  Library& library() { return *library_; }

 private:
  bool exact_;
  std::string name_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<PinnedPool> pinned_;
  std::unique_ptr<Library> library_;
};

/// The CUDA device that a tensor lives on.
inline CudaDevice& device_of(Device& device) { return static_cast<CudaDevice&>(device); }

/// Why there is no device to use: "" when there is one. One line that says what to do.
std::string unavailable();
/// "CUDA 13.0, cuDNN 9.x, driver ..., NVIDIA H100 ...", or "emulated on the host".
std::string description();

}  // namespace az::cuda
