// What a device must offer a tensor. cpu/ and cuda/ implement it; ops/ is the one place that chooses between them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tensor/allocator.h"

namespace az {

enum class DeviceKind : uint8_t { cpu, cuda };

class Profiler;  // tensor/profiler.h

/// Takes times in the order of a device's work.
class ProfileClock {
 public:
  virtual ~ProfileClock() = default;
  /// A name for the moment at which all that has been queued so far is done.
  virtual int64_t mark() = 0;
  /// Nanoseconds of a mark since the clock was made; the device has been synchronised since.
  virtual int64_t ns(int64_t mark) = 0;
  /// Forgets the marks.
  virtual void clear() = 0;
  /// Begins and ends a range for the device's own tools; `name` outlives it.
  virtual void enter(const char* name) { static_cast<void>(name); }
  virtual void leave() {}
};

/// A place where tensors live. Outlives every tensor made on it; `main` and each test own theirs.
class Device {
 public:
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  virtual DeviceKind kind() const = 0;
  virtual std::string name() const = 0;  ///< "cpu", "cuda:0"
  virtual void copy_from_host(void* to, const void* from, int64_t bytes) = 0;
  virtual void copy_to_host(void* to, const void* from, int64_t bytes) = 0;
  virtual void copy(void* to, const void* from, int64_t bytes) = 0;
  virtual void fill_zero(void* to, int64_t bytes) = 0;
  /// Writes the `value_bytes` (1, 2, 4 or 8) at `value`, host memory read before the call returns, `count` times.
  virtual void fill(void* to, const void* value, int64_t value_bytes, int64_t count) = 0;
  virtual void synchronise() = 0;

  /// Cached memory and the step arena (tensor/allocator.h).
  Allocator& allocator() { return *allocator_; }

  /// Floating-point operations that ops report (a multiplication and an addition are two), for benchmarks.
  void count_flops(double flops) { flops_ += flops; }
  double flops() const { return flops_; }

  /// Whom ops report spans to; null: nobody. Set by the profiler itself, for its lifetime.
  Profiler* profiler() const { return profiler_; }
  void set_profiler(Profiler* profiler) { profiler_ = profiler; }
  /// The host's clock, unless work is queued here.
  virtual std::unique_ptr<ProfileClock> profile_clock();

 protected:
  explicit Device(std::unique_ptr<RawMemory> memory) : allocator_(std::make_unique<Allocator>(std::move(memory))) {}

 private:
  std::unique_ptr<Allocator> allocator_;
  double flops_ = 0;
  Profiler* profiler_ = nullptr;
};

}  // namespace az
