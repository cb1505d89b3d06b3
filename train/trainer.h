// The training loop that every system shares.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/module.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace az::train {

/// What a batch gave: every term [1], already weighted, and their sum.
struct Losses {
  std::vector<std::pair<std::string, Tensor>> terms;
  Tensor total;
};

/// A system in training: its network and how a batch becomes a loss.
class Task {
 public:
  virtual ~Task() = default;
  virtual nn::Module& network() = 0;
  /// Makes batch `step` (a function of the step alone) the current one. Returns a key of its shapes.
  virtual uint64_t load(int64_t step) = 0;
  /// Network and losses of the current batch. On a CUDA device it may be captured and replayed for later batches of the
  /// same key: it reads the batch where load() puts it, waits for nothing, and has no other effect.
  virtual Losses forward() = 0;
  virtual int64_t images() const = 0;                  ///< in the current batch
  virtual std::vector<std::string> names() const = 0;  ///< of the current batch's pictures
  virtual double waited_ms() const = 0;                ///< for data, in all so far

  /// Which stage of the run a step belongs to: what is trained stays the same within one.
  virtual int64_t stage([[maybe_unused]] int64_t step) const { return 0; }
  /// Freezes and unfreezes as the stage wants. Returns the optimiser of what it trains; none keeps the one there is.
  virtual std::optional<Optimizer> enter([[maybe_unused]] int64_t stage) { return std::nullopt; }
  /// Whether parameters that were trained before keep their momentum from stage to stage.
  virtual bool keeps_momentum() const { return false; }
  /// Sets the network's parts to training mode, before each step.
  virtual void set_training() { network().set_training(true); }

  /// A score to keep the best checkpoint by; none if there is nothing to validate on.
  virtual std::optional<double> validate() { return std::nullopt; }
};

struct TrainOptions {
  std::filesystem::path run;  ///< the run's folder
  std::string config;         ///< effective configuration, kept in checkpoints and as RUN/config.toml
  int64_t steps = 0;          ///< the schedule's length
  int64_t max_steps = 0;      ///< stop earlier, after this many steps in all; 0: no
  int64_t log_every = 20;
  int64_t checkpoint_every = 500;  ///< 0: at the end only
  int64_t validate_every = 0;      ///< 0: never
  int64_t keep_last = 3;
  int64_t keep_best = 1;  ///< best.safetensors alone, or as many in RUN/best too
  bool resume = false;    ///< go on from the newest checkpoint, if there is one
  bool graphs = true;     ///< on a CUDA device, replay whole steps as graphs
};

struct TrainResult {
  int64_t steps = 0;
  double seconds = 0;  ///< of this call
  double last_loss = 0;
  std::filesystem::path checkpoint;
};

/// Trains to the end, an interrupt (SIGINT, SIGTERM) or an error. Each way the newest checkpoint is whole. Logs a line
/// to stderr, RUN/metrics.jsonl and TensorBoard events every `log_every` steps.
/// A stage of the task (Task::stage) begins with the optimiser that the task makes for it, also after a resume.
/// Errors: a loss (without a loss limit of the optimiser's) or gradient that is not finite, with the step, the batch's
/// pictures and the last good checkpoint; an interrupt, with how to go on; a run folder in use without `resume`.
TrainResult train(Task& task, Optimizer& optimizer, const Schedule& schedule, const TrainOptions& options,
                  Device& device);

}  // namespace az::train
