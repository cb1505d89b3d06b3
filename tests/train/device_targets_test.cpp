// Ray targets of a training batch by the CUDA device: the losses of the loader's targets, to the bit.
#include <doctest/doctest.h>

#include "autograd/node.h"
#include "data/synth_coco.h"
#include "models/config.h"
#include "ops/step_runner.h"
#include "tests/support/devices.h"
#include "tests/support/shell.h"
#include "tests/support/temporary.h"
#include "train/polarmask_task.h"

using namespace az;

namespace {

/// Losses of five steps, and whether graphs replayed some of them.
struct Run {
  std::vector<float> losses;
  int replays = 0;
};

Run run(const models::PolarMaskConfig& config, const data::PolarData& data, Device& device, data::TargetsOn targets,
        bool graphs) {
  models::PolarMask network(nn::Builder{device, 0}, config.model);
  train::PolarMaskTask task(network, config, data, nullptr, device, DType::f32, targets);
  ops::StepRunner runner(device, graphs);
  const autograd::NoGrad off;
  Tensor total = Tensor::zeros({1}, DType::f32, device);
  Run result;
  for (int64_t step = 0; step < 5; ++step) {
    const uint64_t key = task.load(step);
    result.replays += runner.run(key, [&] { total.copy_from(task.forward().total); });
    result.losses.push_back(total.to_vector<float>()[0]);
  }
  CHECK(runner.failure().empty());
  return result;
}

}  // namespace

TEST_CASE("targets computed on the device give the losses of the loader's, eagerly and in replayed graphs") {
  if (!test::cuda()) return;
  const test::TemporaryFolder folder;
  data::write_synth_coco({.out = folder.path() / "coco", .train = 4, .val = 1});
  for (const char* mode : {"filled", "compat", "exact"}) {
    CAPTURE(mode);
    const std::vector<std::string> overrides = {"data.root=" + (folder.path() / "coco").string(),
                                                "data.train_scale_low=[64, 64]",
                                                "data.train_scale_high=[64, 64]",
                                                "data.ignore_crowd=true",
                                                "data.min_area=0",
                                                "data.augment.min_visible_px=0",
                                                "model.head.classes=80",
                                                "train.batch=2",
                                                std::string("labels.mode=") + mode};
    const auto file = test::source_root() / "configs" / "polarmask" / "tiny.toml";
    models::Config text = models::Config::load(file.string(), overrides);
    const models::PolarMaskConfig config = models::parse_polarmask_config(text);
    models::PolarDataset set = models::read_dataset(config.data, /*validation=*/false);
    const data::PolarData data(std::move(set.annotations), set.images, models::train_data_options(config));
    const Run host = run(config, data, *test::cuda(), data::TargetsOn::host, false);
    const Run device = run(config, data, *test::cuda(), data::TargetsOn::device, false);
    CHECK(device.losses == host.losses);
    if (config.labels.mode == cpu::LabelMode::filled) {
      const Run replayed = run(config, data, *test::cuda(), data::TargetsOn::device, true);
      CHECK(replayed.losses == host.losses);
      CHECK(replayed.replays >= 2);
    }
    for (size_t i = 1; i < host.losses.size(); ++i) CHECK(host.losses[i] != host.losses[i - 1]);  // other pictures
  }
}
