#include "cli/bench_peak.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "autograd/node.h"
#include "cli/timing.h"
#include "cli/workload.h"
#include "cpu/peak.h"
#include "cuda/build.h"
#include "ops/matmul.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::cli {
namespace {

/// Best of five or more rates, work per nanosecond, of `work(rounds)`. Rounds are doubled until a call takes a
/// twentieth of `seconds` and its time grows with them: on a busy machine a call may begin by waiting for a processor.
template <class F>
double best_rate(double seconds, const F& work) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  double best = 0;
  const auto timed = [&](int64_t rounds) {
    const auto begin = Clock::now();
    const double done = work(rounds);
    const double s = since(begin);
    best = std::max(best, done / s);
    return s;
  };
  constexpr int64_t kMostRounds = int64_t{1} << 40;
  int64_t rounds = 1;
  int grown = 0;  // doublings in a row that took longer
  for (double before = timed(rounds), now = 0; rounds < kMostRounds && (now < seconds / 20 || grown < 3);
       before = now) {
    rounds *= 2;
    now = timed(rounds);
    grown = now >= 1.5 * before ? grown + 1 : 0;
  }
  const auto start = Clock::now();
  for (int counted = 0; counted < 5 || since(start) < seconds; ++counted) timed(rounds);
  return best / 1e9;
}

double copy_gb_s(Device& device, int64_t bytes, double seconds) {
  const Tensor from = Tensor::zeros({bytes}, DType::u8, device);
  Tensor to = Tensor::zeros({bytes}, DType::u8, device);
  const double ms = time_runs(
      device, [&] { to.copy_from(from); }, seconds)[0];
  return 2 * static_cast<double>(bytes) / ms / 1e6;
}

void measure_processor(Peaks& peaks, double seconds) {
  const int threads = omp_get_max_threads();
  if (cpu::has_peak_loop(cpu::PeakLoop::f32)) {
    const auto loop = [](int64_t rounds) { return cpu::run_peak_loop(cpu::PeakLoop::f32, rounds); };
    peaks.f32_gflops = best_rate(seconds, loop);
    omp_set_num_threads(1);
    peaks.f32_core_gflops = best_rate(seconds, loop);
    omp_set_num_threads(threads);
  }
  if (cpu::has_peak_loop(cpu::PeakLoop::bf16))
    peaks.bf16_gflops =
        best_rate(seconds, [](int64_t rounds) { return cpu::run_peak_loop(cpu::PeakLoop::bf16, rounds); });
  const auto copies = [&](int64_t bytes) {
    if (bytes <= 0) return 0.0;
    cpu::CopyLoop loop(bytes);
    return best_rate(seconds, [&](int64_t rounds) { return loop.run(rounds); });
  };
  const cpu::CacheSizes caches = cpu::cache_sizes();  // a source and a target fill half of each
  peaks.level2_gb_s = copies(caches.level2 / 4);
  peaks.level3_gb_s = copies(caches.level3 / 4 / threads);
}

/// Names in files, and where they belong.
constexpr std::array<std::pair<const char*, double Peaks::*>, 7> kRates = {{
    {"f32_gflops", &Peaks::f32_gflops},
    {"f32_core_gflops", &Peaks::f32_core_gflops},
    {"bf16_gflops", &Peaks::bf16_gflops},
    {"matmul_gflops", &Peaks::matmul_f32_gflops},
    {"copy_gb_s", &Peaks::memory_gb_s},
    {"level3_gb_s", &Peaks::level3_gb_s},
    {"level2_gb_s", &Peaks::level2_gb_s},
}};

}  // namespace

double matmul_gflops(Device& device, DType dtype, double seconds) {
  const int64_t size = device.kind() == DeviceKind::cuda && !cuda::kEmulated ? 8192 : 2048;
  const autograd::NoGrad off;
  const Tensor a = random_image({size, size}, device).to(dtype);
  const double ms = time_runs(
      device, [&] { ops::matmul(a, a); }, seconds)[0];
  const auto n = static_cast<double>(size);
  return 2 * n * n * n / ms / 1e6;
}

Peaks measure_peaks(Device& device, double seconds) {
  const bool gpu = device.kind() == DeviceKind::cuda && !cuda::kEmulated;
  Peaks peaks{.device = device.name(), .threads = omp_get_max_threads()};
  if (!gpu) measure_processor(peaks, seconds / 10);
  peaks.matmul_f32_gflops = matmul_gflops(device, DType::f32, seconds / 5);
  if (gpu) {
    peaks.f32_gflops = peaks.matmul_f32_gflops;
    peaks.bf16_gflops = matmul_gflops(device, DType::bf16, seconds / 5);
  }
  peaks.memory_gb_s = copy_gb_s(device, int64_t{gpu ? 1024 : 256} << 20, seconds / 5);
  return peaks;
}

nlohmann::ordered_json peaks_json(const Peaks& peaks) {
  nlohmann::ordered_json json{{"device", peaks.device}, {"threads", peaks.threads}};
  for (const auto& [name, rate] : kRates) json[name] = peaks.*rate;
  return json;
}

Peaks read_peaks(const std::string& file) {
  const auto json = nlohmann::json::parse(read_file(file), nullptr, false);
  AZ_CHECK(json.is_object(), "{}: not a JSON object; write one with `azimuth bench peak --json`", file);
  Peaks peaks;
  if (json.contains("device") && json["device"].is_string()) peaks.device = json["device"].get<std::string>();
  if (json.contains("threads") && json["threads"].is_number_integer()) peaks.threads = json["threads"].get<int>();
  for (const auto& [name, rate] : kRates) {
    AZ_CHECK(json.contains(name) && json[name].is_number() && json[name].get<double>() >= 0,
             "{}: no number {}; write the file with `azimuth bench peak --json`", file, name);
    peaks.*rate = json[name].get<double>();
  }
  return peaks;
}

}  // namespace az::cli
