// Streams and events: queues of device work and marks in them. Free of CUDA headers, so that ops may include it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

struct CUstream_st;
struct CUevent_st;

namespace az::cuda {

class LaunchLog;

/// A queue whose work runs in order. Kernels, copies and library calls of one device go through one stream.
class Stream {
 public:
  /// Errors: as the driver says.
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  CUstream_st* get() const { return handle_; }
  /// Waits for all work so far. Error: what an earlier kernel did wrong, with the launches that it may have been.
  void synchronise();

  /// Whether every launch waits for its kernel, so that an error is that kernel's: AZ_SYNC=1 in the environment when
  /// the stream was made. Graphs are not captured then.
  bool waits_for_launches() const { return waits_for_launches_; }
  /// Remembers a launch until the next wait. `name` outlives the stream.
  void note_launch(const char* name) { last_[static_cast<size_t>(launches_++) % last_.size()] = name; }
  void note_wait() { launches_ = 0; }

  /// Whether work is being recorded into a graph and not run (cuda/graph.h).
  bool capturing() const { return capturing_; }
  void set_capturing(bool capturing) { capturing_ = capturing; }

  /// Where launches report their names and times; null: nowhere.
  LaunchLog* log() const { return log_; }
  void set_log(LaunchLog* log) { log_ = log; }

 private:
  CUstream_st* handle_ = nullptr;
  LaunchLog* log_ = nullptr;
  bool capturing_ = false;
  bool waits_for_launches_;
  int64_t launches_ = 0;               // since the last wait
  std::array<const char*, 8> last_{};  // of them
};

/// A mark in a stream.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(Stream& stream);
  void synchronise();
  /// Milliseconds from `begin` to this; both were recorded and reached.
  double ms_since(const Event& begin) const;

 private:
  CUevent_st* handle_ = nullptr;
};

}  // namespace az::cuda
