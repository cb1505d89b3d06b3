#include "cli/train.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/polarmask.h"
#include "tensor/error.h"
#include "train/polarmask_task.h"

namespace az::cli {
namespace {

struct Arguments : ConfigArguments {
  std::string out, init, resume;
  int64_t max_steps = 0, keep = 0;
  bool host_targets = false;
};

void print_counts(const data::ObjectCounts& c) {
  fmt::print(
      stderr,
      "objects learned {}, vanished in the resize {}, cut by the zoom {}; {} of several parts, {:.1f} % of their "
      "pixels lie outside the part that is learned\n",
      c.learnt, c.vanished, c.cut, c.multi_part, 100 * c.lost_share());
}

void run(const Arguments& a) {
  AZ_CHECK(a.resume.empty() || a.resume == "auto", "--resume {}: want auto", a.resume);
  const auto device = make_device(a);
  const DType dtype = training_dtype(a.dtype, *device);
  LoadedConfig loaded = load_config(a.config, a.overrides);
  models::PolarMaskConfig& config = loaded.polarmask;
  models::PolarDataset train_set = models::read_dataset(config.data, /*validation=*/false);
  const data::PolarData data(std::move(train_set.annotations), train_set.images, models::train_data_options(config));
  std::optional<models::PolarDataset> validation;
  if (config.train.eval_interval > 0) validation = models::read_dataset(config.data, /*validation=*/true);

  const auto network = make_network(config, static_cast<int64_t>(data.classes().size()), *device);
  const std::string start = a.init.empty() ? config.train.pretrained : a.init;
  if (!start.empty()) load_weights(*network, read_weights(start, *device), start);
  train::PolarMaskTask task(*network, config, data, validation ? &*validation : nullptr, *device, dtype,
                            a.host_targets ? data::TargetsOn::host : data::TargetsOn::device);
  train::Optimizer optimizer = train::make_optimizer(*network, config.train);
  const train::Schedule schedule = train::make_schedule(config.train, task.steps_per_epoch());
  const train::TrainOptions options{.run = a.out,
                                    .config = loaded.text + (a.tf32 ? "\n# run with --tf32\n" : ""),
                                    .steps = train::total_steps(config.train, task.steps_per_epoch()),
                                    .max_steps = a.max_steps,
                                    .log_every = config.train.log_interval,
                                    .checkpoint_every = config.train.checkpoint_interval,
                                    .validate_every = config.train.eval_interval,
                                    .keep_last = a.keep > 0 ? a.keep : config.train.keep,
                                    .resume = a.resume == "auto",
                                    .graphs = !a.eager};
  fmt::print(stderr, "{}, {}{}: {} pictures, {} classes, {} parameters, {} steps of {} pictures\n", device->name(),
             dtype_name(dtype), a.tf32 ? " with TF32" : "", data.size(), data.classes().size(),
             nn::parameter_count(*network), options.steps, config.train.batch);
  const train::TrainResult result = train::train(task, optimizer, schedule, options, *device);
  print_counts(task.counts());
  fmt::print("{}: {} steps, {:.1f} s, loss {:.4f}\n", result.checkpoint.string(), result.steps, result.seconds,
             result.last_loss);
}

}  // namespace

void add_train_command(CLI::App& app) {
  const auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("train", "train a system from its configuration");
  add_config_options(*command, *a);
  command->add_option("--out", a->out, "the run's folder: checkpoints, metrics.jsonl, TensorBoard events")->required();
  command->add_option("--resume", a->resume, "auto: go on from the run's newest checkpoint, if there is one");
  command->add_option("--init", a->init, "weights to start from: ours, .pth or safetensors");
  command->add_option("--max-steps", a->max_steps, "stop after this many steps of the schedule");
  command->add_option("--keep", a->keep, "newest checkpoints kept (train.keep)");
  command->add_flag("--host-targets", a->host_targets, "on a GPU: ray targets by the loader's threads, not the device");
  command->callback([a] { run(*a); });
}

}  // namespace az::cli
