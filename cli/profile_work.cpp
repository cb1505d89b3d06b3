#include "cli/profile_work.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "autograd/node.h"
#include "cli/polarmask.h"
#include "cli/siammask.h"
#include "cli/siammask_workload.h"
#include "ops/step_runner.h"
#include "tensor/error.h"
#include "tensor/profiler.h"
#include "train/polarmask_task.h"
#include "train/siammask_task.h"

namespace az::cli {
namespace {

class MadeUpWork final : public ProfileWork {
 public:
  MadeUpWork(const WorkloadOptions& options, Device& device)
      : options_(options),
        work_(options, device),
        device_(device),
        decodes_(!options.train && device.kind() == DeviceKind::cpu) {
    if (!decodes_) return;
    outputs_ = work_.outputs();
    threshold_ = threshold_for(outputs_, 2000);
  }

  void run() override {
    work_.step();
    if (decodes_) {
      const ProfilePhase phase(device_, Phase::output);
      const ProfileSpan span(device_, "postprocess");
      postprocess_first(outputs_, whole_picture(work_.height(), work_.width()), threshold_);
    }
    device_.synchronise();
  }
  void check() override { work_.check(); }
  nn::Module& network() override { return work_.network(); }
  std::string size() const override { return fmt::format("{}x{}x{}", options_.batch, work_.height(), work_.width()); }

 private:
  WorkloadOptions options_;
  Workload work_;
  Device& device_;
  bool decodes_;
  models::PolarOutputs outputs_;
  float threshold_ = 0;
};

class SearchWork final : public ProfileWork {
 public:
  SearchWork(const WorkloadOptions& o, Device& device)
      : batch_(o.batch),
        work_({.batch = o.batch, .activations = o.activations, .graphs = o.graphs}, device),
        device_(device) {}

  void run() override {
    work_.step();
    device_.synchronise();
  }
  void check() override {}
  nn::Module& network() override { return work_.network(); }
  std::string size() const override { return fmt::format("{}x255x255", batch_); }

 private:
  int64_t batch_;
  SiamMaskSearchWork work_;
  Device& device_;
};

class PairsWork final : public ProfileWork {
 public:
  PairsWork(const WorkloadOptions& o, Device& device)
      : batch_(o.batch), work_({.batch = o.batch, .graphs = o.graphs}, device), device_(device) {
    AZ_CHECK(o.activations == DType::f32, "profile: siammask-r50 train is f32; configs/siammask/*.toml train in bf16");
  }

  void run() override {
    work_.step();
    device_.synchronise();
  }
  void check() override { work_.loss(); }
  nn::Module& network() override { return work_.network(); }
  std::string size() const override { return fmt::format("{} pairs of 127x127 and 255x255", batch_); }

 private:
  int64_t batch_;
  SiamMaskTrainingWork work_;
  Device& device_;
};

/// A system's task under its configuration.
class ConfiguredTraining : public ProfileWork {
 public:
  explicit ConfiguredTraining(Device& device) : device_(device), runner_(device, /*graphs=*/false) {}

  void begin() override {
    task_ = make_task();
    if (auto optimizer = task_->enter(task_->stage(0))) optimizer_ = std::move(*optimizer);
  }
  void end() override { task_.reset(); }

  void run() override {
    uint64_t key = 0;
    task_->set_training();
    {
      const ProfilePhase phase(device_, Phase::data);
      const ProfileSpan span(device_, "wait for the batch");
      key = task_->load(step_++);
    }
    optimizer_.prepare(1e-6);
    runner_.run(key, [&] {
      const train::Losses losses = task_->forward();
      autograd::backward(losses.total);
      optimizer_.enqueue(losses.total.detached());
      optimizer_.zero_grad();
    });
    device_.synchronise();
  }
  void check() override { optimizer_.norm(); }

 protected:
  virtual std::unique_ptr<train::Task> make_task() = 0;

  Device& device_;
  train::Optimizer optimizer_{{}, {}};

 private:
  ops::StepRunner runner_;
  std::unique_ptr<train::Task> task_;
  int64_t step_ = 0;
};

class PolarMaskTraining final : public ConfiguredTraining {
 public:
  PolarMaskTraining(const std::string& file, const std::vector<std::string>& overrides, Device& device,
                    DType activations)
      : ConfiguredTraining(device),
        activations_(activations),
        config_(load_config(file, overrides).polarmask),
        set_(models::read_dataset(config_.data, /*validation=*/false)),
        data_(std::move(set_.annotations), set_.images, models::train_data_options(config_)),
        network_(make_network(config_, static_cast<int64_t>(data_.classes().size()), device)) {
    optimizer_ = train::make_optimizer(*network_, config_.train);
  }
  nn::Module& network() override { return *network_; }
  std::string size() const override { return fmt::format("{} pictures", config_.train.batch); }

 private:
  std::unique_ptr<train::Task> make_task() override {
    return std::make_unique<train::PolarMaskTask>(*network_, config_, data_, nullptr, device_, activations_);
  }

  DType activations_;
  models::PolarMaskConfig config_;
  models::PolarDataset set_;
  data::PolarData data_;
  std::unique_ptr<models::PolarMask> network_;
};

class SiamMaskTraining final : public ConfiguredTraining {
 public:
  SiamMaskTraining(const std::string& file, const std::vector<std::string>& overrides, Device& device,
                   DType activations)
      : ConfiguredTraining(device),
        activations_(activations),
        config_(load_siammask_config(file, overrides).siammask),
        pairs_(train::siam_sets(config_.data, /*validation=*/false),
               train::siam_pair_options(config_, /*validation=*/false)),
        network_(make_network(config_, device)) {}
  nn::Module& network() override { return *network_; }
  std::string size() const override { return fmt::format("{} pairs", config_.train.batch); }

 private:
  std::unique_ptr<train::Task> make_task() override {
    return std::make_unique<train::SiamMaskTask>(*network_, config_, pairs_, nullptr, device_, activations_);
  }

  DType activations_;
  models::SiamMaskConfig config_;
  data::SiamPairs pairs_;
  std::unique_ptr<models::SiamMask> network_;
};

}  // namespace

std::unique_ptr<ProfileWork> made_up_work(const WorkloadOptions& options, Device& device) {
  if (options.model != "siammask-r50") return std::make_unique<MadeUpWork>(options, device);
  if (options.train) return std::make_unique<PairsWork>(options, device);
  return std::make_unique<SearchWork>(options, device);
}

std::unique_ptr<ProfileWork> configured_training(const std::string& config, const std::vector<std::string>& overrides,
                                                 Device& device, DType activations) {
  if (config_system(config, overrides) == "siammask")
    return std::make_unique<SiamMaskTraining>(config, overrides, device, activations);
  return std::make_unique<PolarMaskTraining>(config, overrides, device, activations);
}

}  // namespace az::cli
