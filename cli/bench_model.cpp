#include "cli/bench_model.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <vector>

#include "autograd/node.h"
#include "cli/polarmask.h"
#include "models/polarmask/model.h"
#include "models/polarmask/postprocess.h"
#include "ops/matmul.h"
#include "tensor/error.h"
#include "tensor/rng.h"
#include "train/optimizer.h"

namespace az::cli {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Sorted times of at least three runs, after two to warm up.
std::vector<double> time_runs(const std::function<void()>& run, double seconds) {
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
  for (const Tensor& t : out.classes)
    logits.insert(logits.end(), t.data<float>(), t.data<float>() + t.numel() / t.dim(0));
  count = std::min(count, logits.size() - 1);
  std::ranges::nth_element(logits, logits.begin() + static_cast<std::ptrdiff_t>(count), std::greater<>());
  return 1 / (1 + std::exp(-logits[count]));
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
  const models::polarmask::ImageGeometry geometry{static_cast<int>(width), static_cast<int>(height), 1, 1,
                                                  static_cast<int>(width), static_cast<int>(height)};
  const models::polarmask::PostprocessOptions options{.score_threshold = threshold_for(out, 2000)};
  return time_runs(
      [&] {
        const auto found = models::polarmask::postprocess(levels, geometry, options);
        for (size_t i = 0; i < found.size(); ++i) models::polarmask::polygon_mask(found.polygon_of(i), geometry);
      },
      0.5)[1];
}

}  // namespace

BenchResult bench_model(const BenchOptions& o, Device& device) {
  const int64_t height = (o.height + 31) / 32 * 32, width = (o.width + 31) / 32 * 32;
  models::PolarMask network({device, 0}, named_model(o.model));
  const Tensor image = random_image({o.batch, height, width, 3}, device);
  BenchResult result;
  std::function<void()> run;
  std::unique_ptr<train::Optimizer> optimizer;
  models::PolarTargets targets;
  if (o.train) {
    targets = made_up_targets(o.batch, locations_of(height, width), 36, device);
    std::vector<train::Parameter> parameters;
    for (const nn::Entry& e : nn::entries(network))
      if (e.learned && autograd::requires_grad(*e.tensor))
        parameters.push_back({e.name, e.tensor, train::polarmask_rule(e.name)});
    optimizer = std::make_unique<train::Optimizer>(
        train::OptimizerOptions{.kind = train::OptimizerKind::sgd, .weight_decay = 1e-4}, parameters);
    network.set_training(true);
    run = [&] {
      const StepScope scope(device.allocator(), 1);
      autograd::backward(models::polar_losses(network.forward(image), targets).total);
      optimizer->step(1e-6);
      optimizer->zero_grad();
    };
  } else {
    run = [&] {
      const StepScope scope(device.allocator(), 1);
      const autograd::NoGrad off;
      network.forward(image);
    };
  }
  const double before = device.flops();
  run();
  result.gflops = (device.flops() - before) / 1e9;
  const auto times = time_runs(run, o.seconds);
  result.runs = static_cast<int64_t>(times.size());
  result.ms = times[times.size() / 2];
  result.ms_min = times[0];
  result.images_per_s = static_cast<double>(o.batch) / result.ms * 1000;
  result.peak_rss_mb = peak_rss_mb();
  if (!o.train) {
    const autograd::NoGrad off;
    result.postprocess_ms = time_postprocess(network.forward(image), height, width);
  }
  return result;
}

PeakResult bench_peak(Device& device) {
  constexpr int64_t kSize = 2048;
  constexpr int64_t kCopyBytes = int64_t{256} << 20;
  const autograd::NoGrad off;
  const Tensor a = random_image({kSize, kSize}, device);
  const double matmul_ms = time_runs([&] { ops::matmul(a, a); }, 2)[0];
  const Tensor from = Tensor::zeros({kCopyBytes}, DType::u8, device);
  Tensor to = Tensor::zeros({kCopyBytes}, DType::u8, device);
  const double copy_ms = time_runs([&] { to.copy_from(from); }, 2)[0];
  return {2.0 * kSize * kSize * kSize / matmul_ms / 1e6, 2.0 * kCopyBytes / copy_ms / 1e6};
}

}  // namespace az::cli
