// The training loop with a made-up system of eight numbers: what stops it, what it keeps, how it goes on.
#include "train/trainer.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <limits>

#include "autograd/node.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"
#include "tests/support/temporary.h"
#include "train/checkpoint.h"

using namespace az;

namespace {

namespace fs = std::filesystem;

/// A learned tensor, and a buffer that counts the batches that went through.
class Eight final : public nn::Module {
 public:
  explicit Eight(const std::string& name = "weight")
      : weight(test::uniform({8}, -0.2, 0.2, DType::f32, test::cpu(), 1)),
        seen(Tensor::zeros({1}, DType::f32, test::cpu())),
        name_(name) {
    autograd::set_requires_grad(weight, true);
  }
  void visit(nn::Visitor& v) override {
    v.parameter(name_, weight);
    v.buffer("seen", seen);
  }
  Tensor weight, seen;

 private:
  std::string name_;
};

/// Two loss terms, functions of weight, buffer and step, with a fault or an interrupt where asked for.
class MadeUpTask final : public train::Task {
 public:
  explicit MadeUpTask(Eight& network) : network_(network) {}

  int64_t nan_at = -1, steep_at = -1, interrupt_at = -1;  // in steps done before
  std::vector<double> scores;                             // of the validations in turn

  nn::Module& network() override { return network_; }
  uint64_t load(int64_t step) override {
    step_ = step;
    if (step == interrupt_at) std::raise(SIGTERM);
    return 0;
  }
  train::Losses forward() override {
    const Shape shape = network_.weight.shape();
    float* seen = network_.seen.mutable_data<float>();
    seen[0] += 1;
    Tensor factors = test::uniform(shape, -1, 1, DType::f32, test::cpu(), 100 + static_cast<uint64_t>(step_));
    factors.mutable_data<float>()[0] = step_ == nan_at ? std::numeric_limits<float>::quiet_NaN() : seen[0];
    Tensor slope = Tensor::zeros(shape, DType::f32, test::cpu());
    slope.mutable_data<float>()[0] = step_ == steep_at ? 3e38f : 0.1f;  // finite, and so is the loss; twice it is not
    const Tensor once = ops::weighted_sum(network_.weight, slope);
    const Tensor curve = ops::weighted_sum(ops::sigmoid(network_.weight), factors), line = ops::add(once, once);
    return {{{"curve", curve}, {"line", line}}, ops::add(curve, line)};
  }
  int64_t images() const override { return 2; }
  std::vector<std::string> names() const override { return {fmt::format("left_{}.jpg", step_), "right.jpg"}; }
  double waited_ms() const override { return 0; }
  std::optional<double> validate() override {
    if (scores.empty()) return std::nullopt;
    const double score = scores.front();
    scores.erase(scores.begin());
    return score;
  }

 private:
  Eight& network_;
  int64_t step_ = 0;
};

train::TrainOptions options_in(const fs::path& run) {
  return {.run = run, .config = "seed = 1\n", .steps = 12, .log_every = 4, .checkpoint_every = 3, .resume = false};
}

double loss_limit = 0;  // of the optimisers below

/// One process's part of a run: everything is made anew, as after a kill.
train::TrainResult train_part(const train::TrainOptions& options, const std::function<void(MadeUpTask&)>& prepare = {},
                              const std::string& name = "weight") {
  Eight network(name);
  MadeUpTask task(network);
  if (prepare) prepare(task);
  train::Optimizer optimizer(
      {.kind = train::OptimizerKind::adamw, .weight_decay = 0.1, .clip_norm = 1, .loss_limit = loss_limit},
      {{name, &network.weight, {}}});
  const train::Schedule schedule{
      .kind = train::ScheduleKind::cosine, .base_lr = 0.1, .total_iterations = options.steps};
  return train::train(task, optimizer, schedule, options, test::cpu());
}

/// The text of the error that a run ends with.
std::string failure(const train::TrainOptions& options, const std::function<void(MadeUpTask&)>& prepare = {},
                    const std::string& name = "weight") {
  try {
    train_part(options, prepare, name);
  } catch (const Error& error) {
    return error.what();
  }
  return "it did not fail";
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

int count_lines(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

}  // namespace

TEST_CASE("trainer: a run in parts ends with the bits of one in a piece, and logs each step once") {
  const test::TemporaryFolder folder;
  const auto whole = train_part(options_in(folder.path() / "whole"));
  CHECK(whole.steps == 12);
  CHECK(whole.checkpoint.filename() == "step_00000012.safetensors");

  auto parts = options_in(folder.path() / "parts");
  parts.resume = true;
  // As a kill at step 8 leaves it: checkpoints of steps 3 and 6, a log of steps 4 and 8, half a line.
  CHECK(contains(failure(parts, [](MadeUpTask& task) { task.nan_at = 8; }), "step 9: the loss is nan"));
  AppendFile(parts.run / "metrics.jsonl").append("{\"step\":9,\"lo");
  for (const int64_t end : {7, 12}) {
    parts.max_steps = end;
    CHECK(train_part(parts).steps == end);
  }
  CHECK(read_file(parts.run / "checkpoints" / whole.checkpoint.filename()) == read_file(whole.checkpoint));
  const std::string log = read_file(parts.run / "metrics.jsonl");
  for (const int step : {4, 7, 8, 12}) CHECK(count_lines(log, fmt::format("{{\"step\":{},", step)) == 1);
  CHECK(count_lines(log, "\n") == 4);
  CHECK(train_part(parts).steps == 12);  // nothing is left to do
}

TEST_CASE("trainer: killed before its first checkpoint, a run starts over with an empty log") {
  const test::TemporaryFolder folder;
  auto options = options_in(folder.path());
  options.checkpoint_every = 100;
  options.resume = true;
  CHECK(contains(failure(options, [](MadeUpTask& task) { task.nan_at = 5; }), "last good checkpoint: none yet"));
  train_part(options);
  CHECK(count_lines(read_file(folder.path() / "metrics.jsonl"), "{\"step\":4,") == 1);
}

TEST_CASE("trainer: a loss or gradient that is not finite names step, terms, pictures and the last checkpoint") {
  const test::TemporaryFolder folder;
  const std::string loss = failure(options_in(folder.path() / "a"), [](MadeUpTask& task) { task.nan_at = 7; });
  CAPTURE(loss);
  CHECK(loss.starts_with("step 8: the loss is nan (terms curve nan line "));
  CHECK(contains(loss, "pictures of the batch: left_7.jpg, right.jpg; last good checkpoint: "));
  CHECK(contains(loss, "a/checkpoints/step_00000006.safetensors; try a lower train.lr"));
  const std::string gradient = failure(options_in(folder.path() / "b"), [](MadeUpTask& task) { task.steep_at = 0; });
  CAPTURE(gradient);
  CHECK(gradient.starts_with("step 1: "));
  CHECK(contains(gradient, "'weight'"));
  CHECK(contains(gradient, "left_0.jpg, right.jpg; last good checkpoint: none yet"));
}

TEST_CASE("trainer: an interrupt ends the step, saves it and says how to go on") {
  const test::TemporaryFolder folder;
  const auto whole = train_part(options_in(folder.path() / "whole"));
  auto options = options_in(folder.path() / "run");
  const std::string text = failure(options, [](MadeUpTask& task) { task.interrupt_at = 4; });
  CHECK(text == fmt::format("interrupted after step 5; {}/checkpoints/step_00000005.safetensors holds it; the same "
                            "command with --resume auto goes on",
                            options.run.string()));
  options.resume = true;
  CHECK(read_file(train_part(options).checkpoint) == read_file(whole.checkpoint));
}

TEST_CASE("trainer: a folder in use is refused, with or without resuming") {
  const test::TemporaryFolder folder;
  auto options = options_in(folder.path());
  train_part(options);
  CHECK(failure(options) ==
        fmt::format("{}: holds a run already (step_00000012.safetensors); continue it with --resume "
                    "auto, or choose another --out",
                    folder.path().string()));
  options.resume = true;
  const std::string other = failure(options, {}, "other");
  CHECK(contains(other,
                 "step_00000012.safetensors: made with another network (1 tensors missing, 1 unknown, e.g. other)"));
}

TEST_CASE("trainer: the last K checkpoints stay, and what killed writers left does not") {
  const test::TemporaryFolder folder;
  auto options = options_in(folder.path());
  options.checkpoint_every = 1;
  options.keep_last = 2;
  const fs::path checkpoints = options.run / "checkpoints";
  fs::create_directories(checkpoints);
  // No process has such a high number; process 1 lives.
  for (const char* name : {"step_00000003.safetensors.2147483647.tmp", "step_00000004.safetensors.1.tmp", "mine.tmp"})
    write_file(checkpoints / name, "half a file");
  write_file(options.run / "best.safetensors.2147483647.tmp", "");
  train_part(options);
  CHECK(names_in(checkpoints) == std::vector<std::string>{"mine.tmp", "step_00000004.safetensors.1.tmp",
                                                          "step_00000011.safetensors", "step_00000012.safetensors"});
  CHECK(!fs::exists(options.run / "best.safetensors.2147483647.tmp"));
}

TEST_CASE("trainer: the best checkpoint stays the best, also over a resumption") {
  const test::TemporaryFolder folder;
  auto options = options_in(folder.path());
  options.validate_every = 2;
  options.max_steps = 6;
  options.keep_last = 1;
  train_part(options, [](MadeUpTask& task) { task.scores = {0.1, 0.4, 0.3}; });
  const auto best = [&] { return train::load_checkpoint(folder.path() / "best.safetensors", test::cpu()); };
  CHECK(best().step == 4);
  CHECK(best().score == 0.4);
  CHECK(best().optimizer.empty());
  options.resume = true;
  options.max_steps = 10;
  train_part(options, [](MadeUpTask& task) { task.scores = {0.35, 0.4}; });
  CHECK(best().step == 4);
  options.max_steps = 0;
  train_part(options, [](MadeUpTask& task) { task.scores = {0.41}; });
  CHECK(best().step == 12);
  CHECK(train::find_weights(folder.path()) == std::vector<fs::path>{folder.path() / "best.safetensors"});
}

TEST_CASE("trainer: the best N of a run in parts are those of a run in a piece") {
  const test::TemporaryFolder folder;
  const std::vector<double> scores = {0.2, 0.5, 0.1, 0.4, 0.3, 0.35};
  const auto run = [&](const char* name, const std::vector<int64_t>& ends) {
    auto options = options_in(folder.path() / name);
    options.validate_every = 2;
    options.keep_best = 2;
    options.resume = true;
    for (const int64_t end : ends) {
      options.max_steps = end;
      train_part(options, [&](MadeUpTask& task) {
        const auto before = options.run / "metrics.jsonl";
        const int done = fs::exists(before) ? count_lines(read_file(before), "val_score") : 0;
        task.scores = {scores.begin() + done, scores.end()};
      });
    }
    return options.run / "best";
  };
  const fs::path whole = run("whole", {12}), parts = run("parts", {4, 6, 12});
  CHECK(names_in(whole) ==
        std::vector<std::string>{"step_00000004_score_0.5000.safetensors", "step_00000008_score_0.4000.safetensors"});
  REQUIRE(names_in(parts) == names_in(whole));
  for (const std::string& name : names_in(whole)) CHECK(read_file(parts / name) == read_file(whole / name));
}

TEST_CASE("trainer: with a loss limit a loss that is no number costs its step, not the run") {
  const test::TemporaryFolder folder;
  loss_limit = 1e4;
  const auto result = train_part(options_in(folder.path() / "run"), [](MadeUpTask& task) { task.nan_at = 5; });
  const auto plain = train_part(options_in(folder.path() / "plain"));
  loss_limit = 0;
  CHECK(result.steps == 12);
  CHECK(read_file(result.checkpoint) != read_file(plain.checkpoint));
  CHECK(std::isfinite(result.last_loss));
}
