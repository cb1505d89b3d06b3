#include "cli/bench_model.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <vector>

#include "autograd/node.h"
#include "cli/polarmask.h"
#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/library.h"
#include "models/polarmask/device_postprocess.h"
#include "models/polarmask/model.h"
#include "models/polarmask/postprocess.h"
#include "ops/cast.h"
#include "ops/matmul.h"
#include "ops/step_runner.h"
#include "tensor/error.h"
#include "tensor/rng.h"
#include "train/optimizer.h"

namespace az::cli {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Sorted times of at least three runs, each until the device is done, after two to warm up.
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

Tensor random_image(const Shape& shape, Device& device) {
  Rng rng(1, Purpose::test);
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (float& v : values) v = static_cast<float>(rng.uniform());
  return Tensor::from(values, shape, device);
}

/// One location in twenty is positive, as in the peer.
models::PolarTargets made_up_targets(int64_t images, int64_t locations, int64_t rays, Device& device) {
  const auto rows = static_cast<size_t>(images * locations);
  Rng rng(2, Purpose::test);
  std::vector<int32_t> labels(rows, 0);
  std::vector<float> lengths(rows * static_cast<size_t>(rays), 0), boxes(rows * 4, 0);
  for (size_t r = 0; r < rows; r += 20) {
    labels[r] = static_cast<int32_t>(rng.integer(1, 80));
    for (size_t k = 0; k < static_cast<size_t>(rays); ++k)
      lengths[r * static_cast<size_t>(rays) + k] = static_cast<float>(rng.uniform(4, 12));
    for (size_t k = 0; k < 4; ++k) boxes[r * 4 + k] = static_cast<float>(rng.uniform(6, 12));
  }
  const auto n = static_cast<int64_t>(rows);
  return {Tensor::from(labels, {n}, device), Tensor::from(lengths, {n, rays}, device),
          Tensor::from(boxes, {n, 4}, device), Tensor::zeros({locations, 2}, DType::f32, device)};
}

int64_t locations_of(int64_t height, int64_t width) {
  int64_t total = 0;
  for (const int64_t stride : {8, 16, 32, 64, 128})
    total += ((height + stride - 1) / stride) * ((width + stride - 1) / stride);
  return total;
}

/// The class probability that `count` entries exceed: an untrained network's all lie near the prior, a trained one has
/// a few thousand candidates in a busy picture.
float threshold_for(const models::PolarOutputs& out, size_t count) {
  std::vector<float> logits;
  for (const Tensor& t : out.classes) {
    const auto level = t.narrowed(0, 1).to_vector<float>();
    logits.insert(logits.end(), level.begin(), level.end());
  }
  count = std::min(count, logits.size() - 1);
  std::ranges::nth_element(logits, logits.begin() + static_cast<std::ptrdiff_t>(count), std::greater<>());
  return 1 / (1 + std::exp(-logits[count]));
}

models::polarmask::ImageGeometry whole_picture(int64_t height, int64_t width) {
  const auto h = static_cast<int>(height), w = static_cast<int>(width);
  return {w, h, 1, 1, w, h};
}

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
        for (size_t i = 0; i < found[0].size(); ++i) models::polarmask::polygon_mask(found[0].polygon_of(i), geometry);
      },
      0.5);
  return times[1];
}

double time_postprocess(const models::PolarOutputs& out, int64_t height, int64_t width) {
  std::vector<models::polarmask::LevelOutputs> levels;
  int stride = 8;
  for (size_t i = 0; i < out.classes.size(); ++i, stride *= 2) {
    const auto first = [](const Tensor& t) {
      return std::span(t.data<float>(), static_cast<size_t>(t.numel() / t.dim(0)));
    };
    levels.push_back({static_cast<int>(out.classes[i].dim(1)), static_cast<int>(out.classes[i].dim(2)), stride,
                      first(out.classes[i]), first(out.centerness[i]), first(out.boxes[i]), first(out.rays[i])});
  }
  const models::polarmask::ImageGeometry geometry = whole_picture(height, width);
  const models::polarmask::PostprocessOptions options{.score_threshold = threshold_for(out, 2000)};
  return time_runs(
      out.classes[0].device(),
      [&] {
        const auto found = models::polarmask::postprocess(levels, geometry, options);
        for (size_t i = 0; i < found.size(); ++i) models::polarmask::polygon_mask(found.polygon_of(i), geometry);
      },
      0.5)[1];
}

/// Steps of training: losses, backward, an SGD update.
class TrainingStep {
 public:
  TrainingStep(models::PolarMask& network, models::PolarTargets targets)
      : network_(network), targets_(std::move(targets)), optimizer_(options(), parameters(network)) {
    network.set_training(true);
  }
  void prepare() { optimizer_.prepare(1e-6); }
  void enqueue(const Tensor& image) {
    autograd::backward(models::polar_losses(network_.forward(image), targets_).total);
    optimizer_.enqueue();
    optimizer_.zero_grad();
  }
  /// Error: a step's gradients were not finite.
  void check() { optimizer_.norm(); }

 private:
  static train::OptimizerOptions options() { return {.kind = train::OptimizerKind::sgd, .weight_decay = 1e-4}; }
  static std::vector<train::Parameter> parameters(models::PolarMask& network) {
    std::vector<train::Parameter> found;
    for (const nn::Entry& e : nn::entries(network))
      if (e.learned && autograd::requires_grad(*e.tensor))
        found.push_back({e.name, e.tensor, train::polarmask_rule(e.name)});
    return found;
  }

  models::PolarMask& network_;
  models::PolarTargets targets_;
  train::Optimizer optimizer_;
};

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
  const int64_t height = (o.height + 31) / 32 * 32, width = (o.width + 31) / 32 * 32;
  models::PolarMask network({device, 0}, named_model(o.model));
  const Tensor image = random_image({o.batch, height, width, 3}, device);
  const auto input = [&] { return o.activations == DType::f32 ? image : ops::cast(image, o.activations); };
  ops::StepRunner runner(device, o.graphs);
  std::unique_ptr<TrainingStep> training;
  if (o.train)
    training =
        std::make_unique<TrainingStep>(network, made_up_targets(o.batch, locations_of(height, width), 36, device));
  const auto run = [&] {
    if (training) {
      training->prepare();
      runner.run(/*key=*/1, [&] { training->enqueue(input()); });
    } else {
      const autograd::NoGrad off;
      runner.run(/*key=*/1, [&] { network.forward(input()); });
    }
  };
  BenchResult result;
  const double before = device.flops();
  if (o.tune) {
    run_tuning<cuda::kBuilt>(device, o.plans, run);
  } else {
    run();
  }
  result.gflops = (device.flops() - before) / 1e9;
  const auto times = time_runs(device, run, o.seconds);
  if (training) training->check();
  result.runs = static_cast<int64_t>(times.size());
  result.ms = times[times.size() / 2];
  result.ms_min = times[0];
  result.images_per_s = static_cast<double>(o.batch) / result.ms * 1000;
  result.peak_rss_mb = peak_rss_mb();
  note_device(result, runner, device);
  if (!o.train) {
    const autograd::NoGrad off;
    const models::PolarOutputs out = network.forward(input());
    result.postprocess_ms = device.kind() == DeviceKind::cpu
                                ? time_postprocess(out, height, width)
                                : time_device_postprocess(out, height, width, device, o.graphs);
  }
  return result;
}

PeakResult bench_peak(Device& device, DType dtype) {
  const bool gpu = device.kind() == DeviceKind::cuda && !cuda::kEmulated;
  const int64_t size = gpu ? 8192 : 2048;
  const int64_t copy_bytes = int64_t{gpu ? 1024 : 256} << 20;
  const autograd::NoGrad off;
  const Tensor a = random_image({size, size}, device).to(dtype);
  const double matmul_ms = time_runs(
      device, [&] { ops::matmul(a, a); }, 2)[0];
  const Tensor from = Tensor::zeros({copy_bytes}, DType::u8, device);
  Tensor to = Tensor::zeros({copy_bytes}, DType::u8, device);
  const double copy_ms = time_runs(
      device, [&] { to.copy_from(from); }, 2)[0];
  const auto n = static_cast<double>(size);
  return {2 * n * n * n / matmul_ms / 1e6, 2 * static_cast<double>(copy_bytes) / copy_ms / 1e6};
}

}  // namespace az::cli
