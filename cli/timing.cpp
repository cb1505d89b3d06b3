#include "cli/timing.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>

namespace az::cli {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

std::vector<double> time_runs(Device& device, const std::function<void()>& work, double seconds) {
  const auto run = [&] {
    work();
    device.synchronise();
  };
  run();
  run();
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < 3 || (ms_since(start) < seconds * 1000 && times.size() < 200)) {
    const auto begin = Clock::now();
    run();
    times.push_back(ms_since(begin));
  }
  std::ranges::sort(times);
  return times;
}

double peak_rss_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace az::cli
