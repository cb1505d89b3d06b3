// Independent work on several plain threads: files to write, videos to draw.
#pragma once

#include <cstdint>
#include <functional>

namespace az::data {

struct CrewOptions {
  int workers = 0;  ///< threads, the caller's among them; 0: one a processor
  /// Called after each item from one thread at a time.
  std::function<void(int64_t done, int64_t total)> progress{};
};

/// Calls f(i) once for every i in [0, count), in no order. The first exception stops the handing out of items and is
/// thrown here when all threads are back. Error: fewer than 0 or more than 1024 workers.
void for_each_item(int64_t count, const CrewOptions& options, const std::function<void(int64_t)>& f);

}  // namespace az::data
