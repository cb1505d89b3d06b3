#include "cli/profile_work.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <utility>

#include "autograd/node.h"
#include "cli/polarmask.h"
#include "cli/siammask_workload.h"
#include "ops/step_runner.h"
#include "tensor/error.h"
#include "tensor/profiler.h"
#include "train/polarmask_task.h"

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

class ConfiguredTraining final : public ProfileWork {
 public:
  ConfiguredTraining(const std::string& file, const std::vector<std::string>& overrides, Device& device,
                     DType activations)
      : device_(device),
        activations_(activations),
        config_(load_config(file, overrides).polarmask),
        set_(models::read_dataset(config_.data, /*validation=*/false)),
        data_(std::move(set_.annotations), set_.images, models::train_data_options(config_)),
        network_(make_network(config_, static_cast<int64_t>(data_.classes().size()), device)),
        optimizer_(train::make_optimizer(*network_, config_.train)),
        runner_(device, /*graphs=*/false) {
    network_->set_training(true);
  }

  void begin() override { task_.emplace(*network_, config_, data_, nullptr, device_, activations_); }
  void end() override { task_.reset(); }

  void run() override {
    uint64_t key = 0;
    {
      const ProfilePhase phase(device_, Phase::data);
      const ProfileSpan span(device_, "wait for the batch");
      key = task_->load(step_++);
    }
    optimizer_.prepare(1e-6);
    runner_.run(key, [&] {
      const train::Losses losses = task_->forward();
      autograd::backward(losses.total);
      optimizer_.enqueue();
      optimizer_.zero_grad();
    });
    device_.synchronise();
  }
  void check() override { optimizer_.norm(); }
  nn::Module& network() override { return *network_; }
  std::string size() const override { return fmt::format("{} pictures", config_.train.batch); }

 private:
  Device& device_;
  DType activations_;
  models::PolarMaskConfig config_;
  models::PolarDataset set_;
  data::PolarData data_;
  std::unique_ptr<models::PolarMask> network_;
  train::Optimizer optimizer_;
  ops::StepRunner runner_;
  std::optional<train::PolarMaskTask> task_;
  int64_t step_ = 0;
};

}  // namespace

std::unique_ptr<ProfileWork> made_up_work(const WorkloadOptions& options, Device& device) {
  if (options.model != "siammask-r50") return std::make_unique<MadeUpWork>(options, device);
  AZ_CHECK(!options.train, "profile: siammask-r50 runs infer only; train is configs/siammask/*.toml's");
  return std::make_unique<SearchWork>(options, device);
}

std::unique_ptr<ProfileWork> configured_training(const std::string& config, const std::vector<std::string>& overrides,
                                                 Device& device, DType activations) {
  return std::make_unique<ConfiguredTraining>(config, overrides, device, activations);
}

}  // namespace az::cli
