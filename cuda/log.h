// Names and times of a stream's launches, for benchmarks and profiles.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda/stream.h"

namespace az::cuda {

/// Calls of one kernel and what they took together.
struct LaunchTimes {
  int64_t calls = 0;
  double ms = 0;
};

/// While it lives, launches of the stream are timed by events on both sides. Not for streams that capture.
class LaunchLog {
 public:
  explicit LaunchLog(Stream& stream);
  ~LaunchLog();
  LaunchLog(const LaunchLog&) = delete;
  LaunchLog& operator=(const LaunchLog&) = delete;

  void begin(const char* name);
  void end();
  /// Waits for the device; by kernel name.
  std::map<std::string, LaunchTimes> times();

 private:
  struct Launch {
    const char* name;
    std::unique_ptr<Event> begin, end;
  };
  Stream& stream_;
  std::vector<Launch> launches_;
};

}  // namespace az::cuda
