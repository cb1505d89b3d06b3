#include "cli/bench_siammask.h"

#include "cli/timing.h"

namespace az::cli {

SiamMaskTrainBench bench_siammask_training(const SiamMaskWorkloadOptions& options, double seconds, Device& device) {
  SiamMaskTrainingWork work(options, device);
  SiamMaskTrainBench result;
  const double before = device.flops();
  work.step();
  result.gflops = (device.flops() - before) / 1e9;
  const auto times = time_runs(
      device, [&] { work.step(); }, seconds);
  work.loss();
  result.runs = static_cast<int64_t>(times.size());
  result.ms = times[times.size() / 2];
  result.ms_min = times[0];
  result.images_per_s = static_cast<double>(options.batch) / result.ms * 1000;
  result.peak_rss_mb = peak_rss_mb();
  return result;
}

std::vector<double> siammask_losses(const SiamMaskWorkloadOptions& options, int steps, Device& device) {
  SiamMaskTrainingWork work(options, device);
  std::vector<double> losses;
  for (int i = 0; i < steps; ++i) {
    work.step();
    losses.push_back(work.loss());
  }
  return losses;
}

}  // namespace az::cli
