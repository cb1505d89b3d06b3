#include "data/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace az::data {

std::string clock_text(double seconds) {
  const auto s = static_cast<int64_t>(std::max(seconds, 0.0) + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

Progress::Progress(std::string what, std::string unit, int64_t total)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() { finish(); }

void Progress::update(int64_t done, const std::string& note) {
  done_ = done;
  note_ = note;
  const auto now = Clock::now();
  const auto every = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  if (now - last_ < every) return;
  last_ = now;
  draw();
}

void Progress::finish() {
  if (done_ > 0 && (terminal_ || !drawn_ || done_ == total_)) draw();
  if (terminal_ && drawn_) std::fputs("\n", stderr);
  done_ = 0;
  drawn_ = false;
}

void Progress::draw() {
  constexpr int64_t kWidth = 24;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - done_) / rate : 0;
  const std::string state =
      fmt::format("{}/{} {}  {:.1f} {}/s  {} left  {}", done_, total_, unit_, rate, unit_, clock_text(left), note_);
  if (terminal_) {
    const auto filled = static_cast<size_t>(total_ > 0 ? kWidth * std::min(done_, total_) / total_ : kWidth);
    fmt::print(stderr, "\r{} [{}{}] {}\033[K", what_, std::string(filled, '#'), std::string(kWidth - filled, '.'),
               state);
  } else {
    fmt::print(stderr, "{}: {}\n", what_, state);
  }
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace az::data
