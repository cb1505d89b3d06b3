// PolarMask's tiny network on one made-up batch: training lowers the loss, repeats bit for bit, allocates once.
#include <doctest/doctest.h>
#include <omp.h>

#include <algorithm>
#include <map>

#include "autograd/node.h"
#include "cpu/device.h"
#include "models/config.h"
#include "tests/support/shell.h"
#include "train/polarmask_task.h"

using namespace az;

namespace {

models::PolarMaskConfig tiny_config() {
  const auto file = test::source_root() / "configs" / "polarmask" / "tiny.toml";
  models::Config config = models::Config::load(file.string(), {});
  return models::parse_polarmask_config(config);
}

/// The tiny configuration's network for 3 classes, on a device of its own.
struct Training {
  cpu::CpuDevice device;
  models::PolarMaskConfig config = tiny_config();
  std::unique_ptr<models::PolarMask> network;
  Tensor image;
  models::PolarTargets targets;
  std::optional<train::Optimizer> optimizer;

  static constexpr int kHeight = 96, kWidth = 128;

  Training() {
    config.model.head.classes = 3;
    network = std::make_unique<models::PolarMask>(nn::Builder{device, 0}, config.model);
    network->set_training(true);
    optimizer.emplace(train::make_optimizer(*network, config.train));
    make_batch();
  }

  /// Two pictures with a bright disc each; disc i has class i + 1.
  void make_batch() {
    image = Tensor::full({2, kHeight, kWidth, 3}, -0.5, DType::f32, device);
    const auto grids = cpu::level_grids(kHeight, kWidth, config.labels.strides);
    const int64_t locations = cpu::location_count(grids);
    const auto rays = static_cast<int64_t>(config.labels.rays);
    std::vector<int32_t> label(static_cast<size_t>(2 * locations));
    std::vector<float> lengths(label.size() * static_cast<size_t>(rays));
    for (int n = 0; n < 2; ++n) {
      const int radius = 14 + 8 * n, x0 = 50 + 20 * n, y0 = 45;
      std::vector<uint8_t> mask(static_cast<size_t>(kHeight) * kWidth);
      for (int y = 0; y < kHeight; ++y)
        for (int x = 0; x < kWidth; ++x) {
          if ((x - x0) * (x - x0) + (y - y0) * (y - y0) > radius * radius) continue;
          mask[static_cast<size_t>(y * kWidth + x)] = 1;
          for (int c = 0; c < 3; ++c)
            image.mutable_data<float>()[((n * kHeight + y) * kWidth + x) * 3 + c] = static_cast<float>(1 - c * n);
        }
      const auto box = [&](int at, int sign) { return static_cast<float>(at + sign * radius); };
      const std::vector<cpu::LabelObject> objects = {{cpu::describe({mask.data(), kHeight, kWidth, kWidth}),
                                                      {box(x0, -1), box(y0, -1), box(x0, 1), box(y0, 1)},
                                                      n + 1}};
      const auto first_row = static_cast<size_t>(n * locations);
      const auto count = static_cast<size_t>(locations);
      cpu::write_targets(
          cpu::image_targets(objects, kHeight, kWidth, config.labels),
          {.label = std::span(label).subspan(first_row, count),
           .object = {},
           .box = {},
           .rays = std::span(lengths).subspan(first_row * static_cast<size_t>(rays), count * static_cast<size_t>(rays)),
           .centerness = {}});
    }
    REQUIRE(std::ranges::count(label, 1) > 0);
    REQUIRE(std::ranges::count(label, 2) > 0);
    const auto rows = static_cast<int64_t>(label.size());
    targets = {Tensor::from(label, {rows}, device), Tensor::from(lengths, {rows, rays}, device), {}, {}};
  }

  /// One step of the configuration's optimiser; the loss before it.
  double step() {
    const StepScope scope(device.allocator(), 1);
    const auto losses = models::polar_losses(network->forward(image), targets, config.loss);
    const double value = losses.total.item();
    autograd::backward(losses.total);
    optimizer->step(1e-3);
    optimizer->zero_grad();
    return value;
  }

  /// All f32 tensors of the network by name.
  std::map<std::string, std::vector<float>> values() {
    std::map<std::string, std::vector<float>> all;
    for (const auto& [name, t] : nn::state_dict(*network))
      if (t.dtype() == DType::f32) all[name] = t.to_vector<float>();
    return all;
  }
};

}  // namespace

TEST_CASE("thirty steps on one batch lower the loss by two thirds") {
  Training training;
  const double before = training.step();
  double after = before;
  for (int i = 1; i < 30; ++i) after = training.step();
  CAPTURE(before);
  CHECK(after < before / 3);
}

// The convolution library shares its sums out among the threads, so the bits hold for one number of threads.
TEST_CASE("two trainings give the same bits, whatever the number of threads") {
  const auto run = [](int threads) {
    omp_set_num_threads(threads);
    Training training;
    for (int i = 0; i < 3; ++i) training.step();
    return training.values();
  };
  const int before = omp_get_max_threads();
  for (const int threads : {1, 2, 3}) {
    CAPTURE(threads);
    const bool same = run(threads) == run(threads);
    CHECK(same);
  }
  omp_set_num_threads(before);
}

TEST_CASE("from the second step on a step leaves no byte behind and takes no memory from the system") {
  Training training;
  const Allocator& memory = training.device.allocator();
  training.step();  // recorded, and the optimiser's state is made
  training.step();  // recorded anew: the state is there now
  training.step();
  const AllocatorStats planned = memory.stats();
  for (int i = 0; i < 3; ++i) {
    training.step();
    const AllocatorStats now = memory.stats();
    CHECK(now.live_bytes == planned.live_bytes);
    CHECK(now.reserved_bytes == planned.reserved_bytes);
    CHECK(now.raw_allocations == planned.raw_allocations);
  }
}
