// Times of consecutive stages.
#pragma once

#include <chrono>

namespace az::data {

class Stopwatch {
 public:
  /// Milliseconds since the call before this one, or since the start.
  double lap_ms() {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return ms;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace az::data
