#include "cli/train.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "cli/polarmask.h"
#include "cli/siammask.h"
#include "tensor/error.h"
#include "train/checkpoint.h"
#include "train/polarmask_task.h"
#include "train/siammask_task.h"

namespace az::cli {
namespace {

struct Arguments : ConfigArguments {
  std::string out, init, resume;
  int64_t max_steps = 0, keep = 0, keep_best = 0;
  bool host_targets = false;
};

void print_counts(const data::ObjectCounts& c) {
  fmt::print(
      stderr,
      "objects learned {}, vanished in the resize {}, cut by the zoom {}; {} of several parts, {:.1f} % of their "
      "pixels lie outside the part that is learned\n",
      c.learnt, c.vanished, c.cut, c.multi_part, 100 * c.lost_share());
}

/// What the arguments, a configuration's text and a task's steps make of a run.
template <class TrainConfig>
train::TrainOptions options_of(const Arguments& a, const std::string& text, const TrainConfig& config, int64_t steps) {
  return {.run = a.out,
          .config = text + (a.tf32 ? "\n# run with --tf32\n" : ""),
          .steps = steps,
          .max_steps = a.max_steps,
          .log_every = config.log_interval,
          .checkpoint_every = config.checkpoint_interval,
          .validate_every = config.eval_interval,
          .keep_last = a.keep > 0 ? a.keep : config.keep,
          .keep_best = a.keep_best > 0 ? a.keep_best : config.keep_best,
          .resume = a.resume == "auto",
          .graphs = !a.eager};
}

void print_result(const train::TrainResult& result) {
  fmt::print("{}: {} steps, {:.1f} s, loss {:.4f}\n", result.checkpoint.string(), result.steps, result.seconds,
             result.last_loss);
}

/// Whether --resume finds something.
bool goes_on(const Arguments& a) {
  return a.resume == "auto" && train::CheckpointFolder(a.out, 1).newest().has_value();
}

void run_siammask(const Arguments& a) {
  const auto device = make_device(a);
  const DType dtype = training_dtype(a.dtype, *device);
  const LoadedSiamMask loaded = load_siammask_config(a.config, a.overrides);
  const models::SiamMaskConfig& config = loaded.siammask;
  const data::SiamPairs pairs(train::siam_sets(config.data, /*validation=*/false),
                              train::siam_pair_options(config, /*validation=*/false));
  std::optional<data::SiamPairs> validation;
  if (config.train.eval_interval > 0)
    validation.emplace(train::siam_sets(config.data, /*validation=*/true),
                       train::siam_pair_options(config, /*validation=*/true));

  const auto network = make_network(config, *device);
  std::string start = a.init.empty() ? config.train.pretrained : a.init;
  if (std::filesystem::is_directory(start)) start = train::find_weights(start).front().string();  // the stage before
  if (!start.empty()) load_weights(*network, read_weights(start, *device), start);
  if (start.empty() && config.train.stage == models::SiamStage::sharp && !goes_on(a))
    fmt::print(stderr, "note: the second stage starts from random weights; --init RUN takes the first one's\n");
  train::SiamMaskTask task(*network, config, pairs, validation ? &*validation : nullptr, *device, dtype);
  train::TrainOptions options = options_of(a, loaded.text, config.train, task.total_steps());
  if (options.checkpoint_every == 0) options.checkpoint_every = task.steps_per_epoch();
  int64_t tracks = 0;
  for (size_t i = 0; i < pairs.set_count(); ++i) tracks += static_cast<int64_t>(pairs.list(i).tracks().size());
  fmt::print(stderr, "{}, {}{}: {} tracks, {} parameters, {} steps of {} pairs, {} an epoch\n", device->name(),
             dtype_name(dtype), a.tf32 ? " with TF32" : "", tracks, nn::parameter_count(*network), options.steps,
             config.train.batch, task.steps_per_epoch());
  if (config.train.fresh_optimizer == "epoch") fmt::print(stderr, "momentum starts at zero each epoch\n");
  train::Optimizer optimizer({}, {});  // the task makes its own
  print_result(train::train(task, optimizer, task.schedule(), options, *device));
}

void run_polarmask(const Arguments& a) {
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
  const train::TrainOptions options =
      options_of(a, loaded.text, config.train, train::total_steps(config.train, task.steps_per_epoch()));
  fmt::print(stderr, "{}, {}{}: {} pictures, {} classes, {} parameters, {} steps of {} pictures\n", device->name(),
             dtype_name(dtype), a.tf32 ? " with TF32" : "", data.size(), data.classes().size(),
             nn::parameter_count(*network), options.steps, config.train.batch);
  const train::TrainResult result = train::train(task, optimizer, schedule, options, *device);
  print_counts(task.counts());
  print_result(result);
}

void run(const Arguments& a) {
  AZ_CHECK(a.resume.empty() || a.resume == "auto", "--resume {}: want auto", a.resume);
  if (config_system(a.config, a.overrides) == "siammask") return run_siammask(a);
  run_polarmask(a);
}

}  // namespace

void add_train_command(CLI::App& app) {
  const auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("train", "train a system from its configuration");
  add_config_options(*command, *a);
  command->add_option("--out", a->out, "the run's folder: checkpoints, metrics.jsonl, TensorBoard events")->required();
  command->add_option("--resume", a->resume, "auto: go on from the run's newest checkpoint, if there is one");
  command->add_option("--init", a->init,
                      "weights to start from: ours, .pth or safetensors; siammask: or a run's folder");
  command->add_option("--max-steps", a->max_steps, "stop after this many steps of the schedule");
  command->add_option("--keep", a->keep, "newest checkpoints kept (train.keep)");
  command->add_option("--keep-best", a->keep_best, "checkpoints kept by their validation score (train.keep_best)");
  command->add_flag("--host-targets", a->host_targets, "on a GPU: ray targets by the loader's threads, not the device");
  command->callback([a] { run(*a); });
}

}  // namespace az::cli
