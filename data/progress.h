// Progress of long work, on stderr: a bar that redraws itself on a terminal, a line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace az::data {

class Progress {
 public:
  /// `what` opens every line ("eval"); `total` is counted in `unit` ("img").
  Progress(std::string what, std::string unit, int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` so far, with a note behind the bar. Draws at most ten times a second, or a line every ten seconds.
  void update(int64_t done, const std::string& note = {});
  /// Ends the bar with its last state. Also done on destruction.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void draw();

  std::string what_, unit_, note_;
  int64_t total_, done_ = 0;
  bool terminal_, drawn_ = false;
  Clock::time_point start_, last_;
};

/// "1:02:03" or "2:03".
std::string clock_text(double seconds);

}  // namespace az::data
