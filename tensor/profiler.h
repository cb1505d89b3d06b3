// Where a step's time goes: spans that ops, backward nodes, the optimizer and the loader report to their device.
//
// A device without a profiler costs a span one branch: nothing is described, allocated or timed. With one, a span is
// timed by the device's own clock (events on a CUDA device, so that queued work is what is measured) and says what it
// had to do: floating-point operations, bytes, shape, algorithm. Spans of one thread nest.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tensor/device.h"

namespace az {

/// The part of a step that a span belongs to. `output` is what follows a network: decoding, suppression, masks.
enum class Phase : uint8_t { forward, backward, optimizer, data, output };
/// "forward", …
const char* phase_name(Phase phase);

/// What an op has to do, from its shapes: every operand read once, every result written once. A multiplication and an
/// addition are two operations; an exponential, a division or a root counts as one.
struct Cost {
  double flops = 0;
  double bytes_read = 0, bytes_written = 0;
  /// Operations of the algorithm that was chosen, where they are fewer than the formula's `flops` (Winograd); else 0.
  double executed_flops = 0;

  double bytes() const { return bytes_read + bytes_written; }
  double executed() const { return executed_flops > 0 ? executed_flops : flops; }
};

/// What an op says of itself. The pointers are literals.
struct SpanDetail {
  std::string shape;           ///< of the largest operand, "[1, 100, 168, 256]"
  const char* dtype = "";      ///< of that operand
  Cost cost = {};              ///< without that of spans inside this one
  const char* algorithm = "";  ///< of a convolution, "winograd 4x4"; "" where there is no choice
  uint64_t weight = 0;         ///< storage id of the layer's weight, to name the layer; 0: none
};

/// A span that has ended.
struct Span {
  const char* name = "";
  Phase phase = Phase::forward;
  int track = 0;                     ///< thread: 0 is the one that made the profiler
  int64_t parent = -1;               ///< index of the span around it on the same track; -1: none
  int64_t begin_ns = 0, end_ns = 0;  ///< since the profiler was made, on the track's clock
  int64_t allocated_bytes = 0;       ///< of tensors on the device, by this span and those inside it
  SpanDetail detail;
};

/// Reports spans of its device from its construction to its destruction. Any thread may report; it must live as long
/// as threads that do.
class Profiler {
 public:
  explicit Profiler(Device& device);
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  /// Begins a span of this thread, inside the one that it has open; returns its index.
  int64_t begin(const char* name, SpanDetail detail);
  void end(int64_t span) noexcept;
  /// The phase of this thread's spans from now on; returns the one before.
  Phase set_phase(Phase phase);

  /// Waits for the device, returns all spans that have ended in the order in which they began, and forgets them. Call
  /// it between steps, when no span of the calling thread is open; open spans of other threads are left out.
  std::vector<Span> take();
  /// Nanoseconds since the profiler was made, by the device's clock: what has been queued is done. Waits for it.
  int64_t now_ns();

 private:
  struct Record;
  struct Track {
    int index = 0;
    Phase phase = Phase::forward;
    int64_t open = -1;
  };
  Track& track();  // of the calling thread; the mutex is held

  Device& device_;
  std::unique_ptr<ProfileClock> clock_;
  std::mutex mutex_;
  std::map<std::thread::id, Track> tracks_;
  std::vector<Record> records_;
  int64_t first_ = 0;  // number of records_[0] among all so far
  int64_t host_zero_ns_ = 0;
};

/// A span as a scope: `const ProfileSpan span(x.device(), "relu", [&] { return SpanDetail{…}; });`. The description is
/// made only where there is a profiler.
class ProfileSpan {
 public:
  template <class F>
  ProfileSpan(Device& device, const char* name, const F& describe) : profiler_(device.profiler()) {
    if (profiler_) [[unlikely]]
      span_ = profiler_->begin(name, describe());
  }
  ProfileSpan(Device& device, const char* name) : ProfileSpan(device, name, [] { return SpanDetail{}; }) {}
  ~ProfileSpan() {
    if (profiler_) [[unlikely]]
      profiler_->end(span_);
  }
  ProfileSpan(const ProfileSpan&) = delete;
  ProfileSpan& operator=(const ProfileSpan&) = delete;

 private:
  Profiler* profiler_;
  int64_t span_ = -1;
};

/// The phase of a thread's spans, as a scope.
class ProfilePhase {
 public:
  ProfilePhase(Device& device, Phase phase) : profiler_(device.profiler()) {
    if (profiler_) [[unlikely]]
      before_ = profiler_->set_phase(phase);
  }
  ~ProfilePhase() {
    if (profiler_) [[unlikely]]
      profiler_->set_phase(before_);
  }
  ProfilePhase(const ProfilePhase&) = delete;
  ProfilePhase& operator=(const ProfilePhase&) = delete;

 private:
  Profiler* profiler_;
  Phase before_ = Phase::forward;
};

}  // namespace az
