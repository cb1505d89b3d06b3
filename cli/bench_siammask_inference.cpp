#include "cli/bench_siammask_inference.h"

#include <functional>

#include "autograd/node.h"
#include "cli/siammask_workload.h"
#include "cli/timing.h"
#include "models/siammask/tracker.h"
#include "nn/reference_fill.h"
#include "tensor/rng.h"

namespace az::cli {
namespace {

/// The peer's network and work.
void time_search(const SiamMaskInferenceOptions& o, Device& device, SiamMaskInferenceBench& result) {
  SiamMaskSearchWork work({.batch = o.batch, .activations = o.activations, .graphs = o.graphs}, device);
  const auto step = [&] { work.step(); };
  const double before = device.flops();
  step();
  result.gflops = (device.flops() - before) / 1e9;
  const auto times = time_runs(device, step, o.seconds);
  result.runs = static_cast<int64_t>(times.size());
  result.ms = times[times.size() / 2];
  result.ms_min = times[0];
  result.graphs = work.runner().graphs();
  result.graph_failure = work.runner().failure();
  result.peak_rss_mb = peak_rss_mb();
}

/// The fill's weights, with outputs as small as a trained network's: its own boxes would leave every number's range.
void fill(models::SiamMask& network) {
  nn::reference_fill(network, 0);
  const std::pair<const char*, float> factors[] = {{"features.features.conv1.weight", 0.01F},
                                                   {"rpn_model.cls.head.3.weight", 0.05F},
                                                   {"rpn_model.cls.head.3.bias", 0.05F},
                                                   {"rpn_model.loc.head.3.weight", 0.002F},
                                                   {"rpn_model.loc.head.3.bias", 0.002F}};
  for (const nn::Entry& e : nn::entries(network))
    for (const auto& [name, factor] : factors) {
      if (e.name != name) continue;
      auto values = e.tensor->to_vector<float>();
      for (float& v : values) v *= factor;
      e.tensor->copy_from(Tensor::from(values, e.tensor->shape(), e.tensor->device()));
    }
}

data::Image noise(int width, int height) {
  Rng rng(2, Purpose::test);
  data::Image image(width, height);
  for (uint8_t& p : image.pixels) p = static_cast<uint8_t>(rng.integer(0, 256));
  return image;
}

/// The sharp tracker on frames of 640 x 480.
void time_tracker(const SiamMaskInferenceOptions& o, Device& device, SiamMaskInferenceBench& result) {
  models::SiamMask network(nn::Builder{device, 0}, {});
  fill(network);
  network.set_training(false);
  const data::Image frame = noise(640, 480);
  models::SiamStepOptions how;
  how.activations = o.activations;
  how.graphs = o.graphs;
  models::SiamTracker tracker(network, std::vector<models::SiamTrackOptions>(static_cast<size_t>(o.batch)), device,
                              how);
  const cpu::InitialBox box{320, 240, 90, 70};
  const auto start = [&] {
    for (size_t lane = 0; lane < tracker.lanes(); ++lane) tracker.start(lane, frame, box);
  };
  const auto median = [&](const std::function<void()>& work) {
    const auto times = time_runs(device, work, o.seconds);
    return times[times.size() / 2];
  };
  result.template_ms = median(start) / static_cast<double>(o.batch);
  start();
  result.frame_ms = median([&] { tracker.track(frame); });
  result.sharp_ms = median([&] { tracker.step().run(); });
}

}  // namespace

SiamMaskInferenceBench bench_siammask_inference(const SiamMaskInferenceOptions& options, Device& device) {
  const autograd::NoGrad off;
  SiamMaskInferenceBench result;
  time_search(options, device, result);
  time_tracker(options, device, result);
  return result;
}

}  // namespace az::cli
