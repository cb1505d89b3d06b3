#include "cli/bench_overhead.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "autograd/node.h"
#include "ops/elementwise.h"

namespace az::cli {
namespace {

constexpr int kCalls = 20000;  // a round, some milliseconds

double median_of_add_ns(const Tensor& a, const Tensor& b, int rounds) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  for (int round = 0; round <= rounds; ++round) {
    const auto begin = Clock::now();
    for (int i = 0; i < kCalls; ++i) ops::add(a, b);
    const std::chrono::duration<double, std::nano> time = Clock::now() - begin;
    if (round > 0) times.push_back(time.count() / kCalls);  // the first warms up
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

}  // namespace

OverheadBench bench_overhead(Device& device, int rounds) {
  Tensor a = Tensor::full({16}, 1.0, DType::f32, device);
  const Tensor b = Tensor::full({16}, 2.0, DType::f32, device);
  OverheadBench result;
  {
    const autograd::NoGrad off;
    result.no_tape_ns = median_of_add_ns(a, b, rounds);
  }
  autograd::set_requires_grad(a, true);
  result.tape_ns = median_of_add_ns(a, b, rounds);
  return result;
}

}  // namespace az::cli
