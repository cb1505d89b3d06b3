#include "cli/bench_overhead.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "autograd/node.h"
#include "ops/elementwise.h"
#include "ops/profile.h"

namespace az::cli {
namespace {

constexpr int kCalls = 20000;  // a round, some milliseconds

template <class F>
double median_ns(int rounds, const F& call) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  for (int round = 0; round <= rounds; ++round) {
    const auto begin = Clock::now();
    for (int i = 0; i < kCalls; ++i) call();
    const std::chrono::duration<double, std::nano> time = Clock::now() - begin;
    if (round > 0) times.push_back(time.count() / kCalls);  // the first warms up
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

/// A hook as ops::add has it. The barrier keeps the compiler from looking for the profiler once for all calls.
void hook(Device& device, const Tensor& x) {
  const ProfileSpan span(device, "hook", [&] { return ops::detail(x, ops::map_cost(x, 1, 1)); });
  asm volatile("" ::: "memory");
}

}  // namespace

OverheadBench bench_overhead(Device& device, int rounds) {
  Tensor a = Tensor::full({16}, 1.0, DType::f32, device);
  const Tensor b = Tensor::full({16}, 2.0, DType::f32, device);
  OverheadBench result;
  const auto add = [&] { ops::add(a, b); };
  {
    const autograd::NoGrad off;
    result.no_tape_ns = median_ns(rounds, add);
  }
  autograd::set_requires_grad(a, true);
  result.tape_ns = median_ns(rounds, add);
  result.span_ns = median_ns(rounds, [&] { hook(device, a); });
  return result;
}

}  // namespace az::cli
