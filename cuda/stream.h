// Streams and events: queues of device work and marks in them. Free of CUDA headers, so that ops may include it.
#pragma once

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
  /// Waits for all work so far. Error: what an earlier kernel did wrong.
  void synchronise();

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
