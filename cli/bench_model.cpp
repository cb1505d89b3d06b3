#include "cli/bench_model.h"

#include <vector>

#include "cli/timing.h"
#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/library.h"
#include "models/polarmask/device_postprocess.h"

namespace az::cli {
namespace {

/// On the device: its kernels, a copy of the result and the polygons' masks, of the first image.
double time_device_postprocess(const models::PolarOutputs& out, int64_t height, int64_t width, Device& device,
                               bool graphs) {
  models::PolarOutputs first;
  for (const auto levels : {&models::PolarOutputs::classes, &models::PolarOutputs::centerness,
                            &models::PolarOutputs::rays, &models::PolarOutputs::boxes})
    for (const Tensor& t : out.*levels) (first.*levels).push_back(t.narrowed(0, 1));
  const models::polarmask::ImageGeometry geometry = whole_picture(height, width);
  models::polarmask::DevicePostprocess post({.score_threshold = threshold_for(out, 2000)}, {8, 16, 32, 64, 128},
                                            /*images=*/1, device);
  post.set_geometry({&geometry, 1});
  ops::StepRunner runner(device, graphs);
  const auto times = time_runs(
      device,
      [&] {
        runner.run(/*key=*/2, [&] { post.enqueue(first); });
        const auto found = post.fetch();
        models::polarmask::polygon_masks(found[0], geometry);
      },
      0.5);
  return times[1];
}

double time_postprocess(const models::PolarOutputs& out, int64_t height, int64_t width) {
  const models::polarmask::ImageGeometry geometry = whole_picture(height, width);
  const float threshold = threshold_for(out, 2000);
  return time_runs(
      out.classes[0].device(), [&] { postprocess_first(out, geometry, threshold); }, 0.5)[1];
}

/// Runs once with cuDNN's plans timed, and keeps the choice in `file` unless that is empty. A template, so that a build
/// without CUDA leaves the library out.
template <bool kBuilt, class F>
void run_tuning([[maybe_unused]] Device& device, [[maybe_unused]] const std::string& file, const F& run) {
  if constexpr (kBuilt) {
    if (device.kind() == DeviceKind::cuda) {
      auto& library = cuda::device_of(device).library();
      library.tune(true);
      run();
      library.tune(false);
      if (!file.empty()) library.save_plans(file);
      return;
    }
  }
  run();
}

void note_device(BenchResult& result, const ops::StepRunner& runner, Device& device) {
  const AllocatorStats stats = device.allocator().stats();
  constexpr double kMb = 1 << 20;
  result.device_peak_mb = static_cast<double>(stats.peak_live_bytes) / kMb;
  result.device_reserved_mb = static_cast<double>(stats.reserved_bytes) / kMb;
  result.graphs = runner.graphs();
  result.graph_failure = runner.failure();
}

}  // namespace

BenchResult bench_model(const BenchOptions& o, Device& device) {
  Workload work(o, device);
  const auto run = [&] { work.step(); };
  BenchResult result;
  const double before = device.flops();
  if (o.tune) {
    run_tuning<cuda::kBuilt>(device, o.plans, run);
  } else {
    run();
  }
  result.gflops = (device.flops() - before) / 1e9;
  const auto times = time_runs(device, run, o.seconds);
  work.check();
  result.runs = static_cast<int64_t>(times.size());
  result.ms = times[times.size() / 2];
  result.ms_min = times[0];
  result.images_per_s = static_cast<double>(o.batch) / result.ms * 1000;
  result.peak_rss_mb = peak_rss_mb();
  note_device(result, work.runner(), device);
  if (!o.train) {
    const models::PolarOutputs out = work.outputs();
    result.postprocess_ms = device.kind() == DeviceKind::cpu
                                ? time_postprocess(out, work.height(), work.width())
                                : time_device_postprocess(out, work.height(), work.width(), device, o.graphs);
  }
  return result;
}

}  // namespace az::cli
