// PolarMask in training.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>

#include "cpu/device.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "eval/polarmask_run.h"
#include "models/polarmask/data_options.h"
#include "train/trainer.h"

namespace az::train {

class PolarMaskTask final : public Task {
 public:
  /// `validation` may be null. `activations`: f32, or bf16 for mixed precision. `targets`: a CUDA device computes the
  /// ray targets of its batches, equal to the loader's to the bit, unless that is told to; elsewhere the loader does.
  /// All references outlive the task.
  PolarMaskTask(models::PolarMask& network, const models::PolarMaskConfig& config, const data::PolarData& data,
                const models::PolarDataset* validation, Device& device, DType activations = DType::f32,
                data::TargetsOn targets = data::TargetsOn::device);

  nn::Module& network() override { return network_; }
  uint64_t load(int64_t step) override;
  Losses forward() override;
  int64_t images() const override { return static_cast<int64_t>(batch_.pictures.size()); }
  std::vector<std::string> names() const override;
  double waited_ms() const override { return loader_ ? loader_->waited_ms() : 0; }
  std::optional<double> validate() override;

  int64_t steps_per_epoch() const { return sampler_.batches_per_epoch(); }
  /// What became of the annotations so far.
  const data::ObjectCounts& counts() const { return counts_; }

 private:
  /// A batch's tensors on the device, at addresses that later batches of the same size use again.
  struct Place {
    Tensor image, label, box, rays, points;
  };
  Place& place_for(uint64_t key);
  void compute_targets(Place& place);
  Tensor points(int64_t height, int64_t width) const;

  models::PolarMask& network_;
  const models::PolarMaskConfig& config_;
  const data::PolarData& data_;
  const models::PolarDataset* validation_;
  Device& device_;
  DType activations_;
  data::TargetsOn targets_;
  std::optional<cpu::CpuDevice> own_host_;
  Device& host_;  // where batches are made: the device itself, if its memory is the host's
  data::AspectSampler sampler_;
  std::unique_ptr<data::Loader<data::PolarBatch>> loader_;
  int64_t next_step_ = 0;
  data::PolarBatch batch_;
  std::unordered_map<uint64_t, Place> places_;
  Place* place_ = nullptr;  // of the current batch
  data::ObjectCounts counts_;
};

/// The optimiser and the schedule that a configuration asks for.
Optimizer make_optimizer(nn::Module& network, const models::PolarTrainConfig& config);
Schedule make_schedule(const models::PolarTrainConfig& config, int64_t steps_per_epoch);
/// Steps of the whole schedule.
int64_t total_steps(const models::PolarTrainConfig& config, int64_t steps_per_epoch);

}  // namespace az::train
