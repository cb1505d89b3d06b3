#include "train/trainer.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>

#include "autograd/node.h"
#include "data/progress.h"
#include "ops/step_runner.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "train/best_checkpoints.h"
#include "train/checkpoint.h"
#include "train/event_log.h"

namespace az::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::atomic<bool> interrupted{false};  // a signal handler can reach nothing else

/// Turns SIGINT and SIGTERM into a flag while a run goes on.
class InterruptScope {
 public:
  InterruptScope() {
    interrupted = false;
    before_[0] = std::signal(SIGINT, [](int) { interrupted = true; });
    before_[1] = std::signal(SIGTERM, [](int) { interrupted = true; });
  }
  ~InterruptScope() {
    std::signal(SIGINT, before_[0]);
    std::signal(SIGTERM, before_[1]);
  }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

 private:
  void (*before_[2])(int);
};

double ms_between(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double, std::milli>(b - a).count();
}

class Run {
 public:
  Run(Task& task, Optimizer& optimizer, const Schedule& schedule, const TrainOptions& options, Device& device)
      : task_(task),
        optimizer_(optimizer),
        schedule_(schedule),
        options_(options),
        device_(device),
        folder_(options.run, options.keep_last),
        best_(options.run, options.keep_best),
        runner_(device, options.graphs) {}

  TrainResult run() {
    const InterruptScope signals;
    const auto begin = Clock::now();
    start();
    const int64_t end = options_.max_steps > 0 ? std::min(options_.max_steps, options_.steps) : options_.steps;
    reset_window();
    const int64_t first = step_;
    while (step_ < end) {
      one_step();
      const bool logs = step_ % options_.log_every == 0 || step_ == end;
      const bool validates = options_.validate_every > 0 && (step_ % options_.validate_every == 0 || step_ == end);
      const bool saves = options_.checkpoint_every > 0 && step_ % options_.checkpoint_every == 0;
      const bool stops = interrupted && step_ < end;
      // Reading a step's losses waits for the device, so where that is not the host it is done when someone asks.
      if (logs || validates || saves || stops || device_.kind() == DeviceKind::cpu) read_losses();
      if (logs) log(first, end, begin);
      if (validates) validate();
      if (saves || step_ == end || validates) save();
      if (stops) {
        save();
        fail("interrupted after step {}; {} holds it; the same command with --resume auto goes on", step_,
             last_checkpoint_.string());
      }
    }
    return {step_, ms_between(begin, Clock::now()) / 1000, last_loss_, last_checkpoint_};
  }

 private:
  void start() {
    if (const auto newest = folder_.newest()) {
      AZ_CHECK(options_.resume, "{}: holds a run already ({}); continue it with --resume auto, or choose another --out",
               options_.run.string(), newest->filename().string());
      const Checkpoint c = load_checkpoint(*newest, device_);
      const auto report = nn::load_state_dict(task_.network(), c.model);
      AZ_CHECK(report.missing.empty() && report.unused.empty(),
               "{}: made with another network ({} tensors missing, {} unknown, e.g. {}); choose another --out",
               newest->string(), report.missing.size(), report.unused.size(),
               report.missing.empty() ? report.unused[0] : report.missing[0]);
      step_ = c.step;
      enter(task_.stage(step_));
      // At the first step of another stage the optimiser starts as it would have without the interruption.
      if (c.stage == stage_ || task_.keeps_momentum()) optimizer_.load_state(c.optimizer);
      score_ = c.has_score ? std::optional(c.score) : std::nullopt;
      last_checkpoint_ = *newest;
      fmt::print(stderr, "resumed {} at step {}\n", newest->string(), step_);
      if (c.config != options_.config)
        fmt::print(stderr, "note: the configuration is not the one of that checkpoint ({} has the new one)\n",
                   (options_.run / "config.toml").string());
    } else {
      enter(task_.stage(step_));
    }
    // Also at step 0: a run that was killed before its first checkpoint left lines of the steps that come again.
    const bool went_on = step_ > 0 || fs::exists(options_.run / "metrics.jsonl");
    const auto resumed_at = went_on ? std::optional(step_) : std::nullopt;
    lines_.emplace(options_.run / "metrics.jsonl", resumed_at);
    events_.emplace(options_.run / "events", resumed_at);
    write_file(options_.run / "config.toml", options_.config);
  }

  void enter(int64_t stage) {
    if (stage_ == stage) return;
    const auto state = stage_ && task_.keeps_momentum() ? optimizer_.state() : StateDict{};
    if (auto fresh = task_.enter(stage)) {
      optimizer_ = std::move(*fresh);
      optimizer_.load_state(state);
    }
    stage_ = stage;
  }

  void one_step() {
    enter(task_.stage(step_));
    // Graphs of another stage hold other parameters' addresses.
    const uint64_t key = task_.load(step_) ^ static_cast<uint64_t>(*stage_) << 56;
    last_lr_ = lr_at(schedule_, step_);
    optimizer_.prepare(last_lr_);
    task_.set_training();
    if (runner_.run(key, [this] { forward_backward_update(); })) note_replayed_writes();
    if (!said_eager_ && !runner_.failure().empty()) {
      said_eager_ = true;
      fmt::print(stderr, "note: steps are not replayed as CUDA graphs: {}\n", runner_.failure());
    }
    unread_.push_back({step_ + 1, task_.names()});
    ++step_;
    images_ += task_.images();
  }

  /// A step on the device, whole: its losses are left in loss_values_.
  void forward_backward_update() {
    const Losses losses = task_.forward();
    term_names_.clear();
    std::vector<Tensor> values{losses.total};
    for (const auto& [name, value] : losses.terms) {
      term_names_.push_back(name);
      values.push_back(value);
    }
    if (!loss_values_.defined())
      loss_values_ = Tensor::zeros({static_cast<int64_t>(values.size())}, losses.total.dtype(), device_);
    for (size_t i = 0; i < values.size(); ++i)
      loss_values_.narrowed(static_cast<int64_t>(i), 1).copy_from(values[i].detached().reshaped({1}));
    autograd::backward(losses.total);
    optimizer_.enqueue(losses.total.detached());
    optimizer_.zero_grad();
  }

  /// A replayed graph wrote parameters and statistics behind their tensors' backs: whoever keeps something made of
  /// their old contents must see a new version.
  void note_replayed_writes() {
    for (const nn::Entry& entry : nn::entries(task_.network())) entry.tensor->mutable_raw();
    loss_values_.mutable_raw();
  }

  /// Takes the last step's losses and norm from the device. Error: one of the steps since the last call was not finite.
  void read_losses() {
    const std::vector<double> values = loss_values_.to(DType::f64).to_vector<double>();
    last_loss_ = values[0];
    last_terms_.clear();
    for (size_t i = 0; i < term_names_.size(); ++i) last_terms_.emplace_back(term_names_[i], values[i + 1]);
    try {
      last_norm_ = optimizer_.norm();
    } catch (const Error& error) {
      if (std::isfinite(last_loss_)) fail_not_finite(error.what());
    }
    if (optimizer_.skipped() > 0) {
      skipped_ += optimizer_.skipped();
      fmt::print(stderr, "step {:5}  skipped: the loss is {:.4g} ({} skipped in all)\n", step_, last_loss_, skipped_);
    } else if (!std::isfinite(last_loss_)) {
      fail_not_finite(fmt::format("the loss is {}", last_loss_));
    }
    unread_.clear();
  }

  [[noreturn]] void fail_not_finite(const std::string& what) {
    std::string terms, names;
    for (const auto& [name, value] : last_terms_) terms += fmt::format(" {} {:.4g}", name, value);
    for (const StepNames& step : unread_)
      for (const std::string& name : step.names) names += (names.empty() ? "" : ", ") + name;
    const std::string steps = unread_.size() == 1 ? fmt::format("step {}", step_)
                                                  : fmt::format("steps {} to {}", unread_.front().step, step_);
    fail(
        "{}: {} (terms{}); pictures of the batch: {}; last good checkpoint: {}; try a lower train.lr or a longer "
        "warm-up",
        steps, what, terms, names, last_checkpoint_.empty() ? "none yet" : last_checkpoint_.string());
  }

  void log(int64_t first, int64_t end, Clock::time_point begin) {
    const auto now = Clock::now();
    const double ms = ms_between(window_start_, now);
    const auto steps = static_cast<double>(step_ - window_step_);
    const double waited = task_.waited_ms() - window_waited_;
    const double per_step = ms / std::max(steps, 1.0);
    const double share = ms > 0 ? waited / ms : 0;
    const double rate = static_cast<double>(images_) / ms * 1000;
    const double whole = ms_between(begin, now) / 1000;
    const double left = whole / static_cast<double>(step_ - first) * static_cast<double>(end - step_);
    std::string terms;
    std::vector<Scalar> scalars{{"loss", last_loss_}};
    for (const auto& [name, value] : last_terms_) {
      terms += fmt::format("{}{} {:.3f}", terms.empty() ? "" : " ", name, value);
      scalars.push_back({"loss_" + name, value});
    }
    scalars.insert(
        scalars.end(),
        {{"lr", last_lr_}, {"grad_norm", last_norm_}, {"ms", per_step}, {"img_per_s", rate}, {"data_share", share}});
    write(scalars, "train/");
    fmt::print(
        stderr,
        "step {:5}/{}  loss {:.3f} ({})  lr {:.4g}  norm {:.2f}  {:.0f} ms  {:.1f} img/s  data {:.1f} %  {} left\n",
        step_, end, last_loss_, terms, last_lr_, last_norm_, per_step, rate, 100 * share, data::clock_text(left));
    reset_window();
  }

  /// A line of RUN/metrics.jsonl, and the same under `group` for TensorBoard.
  void write(std::vector<Scalar> scalars, const std::string& group) {
    lines_->add(step_, scalars);
    for (Scalar& scalar : scalars) scalar.tag = group + scalar.tag;
    events_->add(step_, scalars);
    events_->flush();
  }

  void reset_window() {
    window_start_ = Clock::now();
    window_step_ = step_;
    window_waited_ = task_.waited_ms();
    images_ = 0;
  }

  Checkpoint checkpoint() {
    return {step_,
            nn::state_dict(task_.network()),
            optimizer_.state(),
            options_.config,
            *stage_,
            score_.value_or(0),
            score_.has_value()};
  }

  void validate() {
    task_.network().set_training(false);
    const auto score = task_.validate();
    if (!score) return;
    score_ = score;
    write({{"val_score", *score}}, "val/");
    fmt::print(stderr, "step {:5}  validation score {:.4f}\n", step_, *score);
    best_.offer(checkpoint());
    reset_window();
  }

  void save() {
    if (last_saved_ == step_) return;
    last_checkpoint_ = folder_.save(checkpoint());
    last_saved_ = step_;
  }

  Task& task_;
  Optimizer& optimizer_;
  const Schedule& schedule_;
  const TrainOptions& options_;
  Device& device_;
  CheckpointFolder folder_;
  BestCheckpoints best_;
  std::optional<MetricsLog> lines_;
  std::optional<EventLog> events_;
  std::optional<double> score_;
  fs::path last_checkpoint_;
  ops::StepRunner runner_;
  bool said_eager_ = false;
  Tensor loss_values_;  // the total, then the terms, of the last step
  std::vector<std::string> term_names_;
  struct StepNames {
    int64_t step;
    std::vector<std::string> names;
  };
  std::vector<StepNames> unread_;  // steps whose losses nobody has read yet, with their pictures
  int64_t step_ = 0, last_saved_ = -1, skipped_ = 0;
  std::optional<int64_t> stage_;  // none before the start
  double last_loss_ = 0, last_lr_ = 0, last_norm_ = 0;
  std::vector<std::pair<std::string, double>> last_terms_;
  // Since the last log line.
  Clock::time_point window_start_;
  int64_t window_step_ = 0, images_ = 0;
  double window_waited_ = 0;
};

}  // namespace

TrainResult train(Task& task, Optimizer& optimizer, const Schedule& schedule, const TrainOptions& options,
                  Device& device) {
  AZ_CHECK(options.steps > 0 && options.log_every > 0, "train: {} steps, a log line every {}; both must be positive",
           options.steps, options.log_every);
  return Run(task, optimizer, schedule, options, device).run();
}

}  // namespace az::train
