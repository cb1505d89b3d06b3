// PolarMask in training.
#pragma once

#include <memory>

#include "data/loader.h"
#include "data/sampler.h"
#include "eval/polarmask_run.h"
#include "models/polarmask/data_options.h"
#include "train/trainer.h"

namespace az::train {

class PolarMaskTask final : public Task {
 public:
  /// Batches are loaded ahead from `first_step` on. `validation` may be null. All references outlive the task.
  PolarMaskTask(models::PolarMask& network, const models::PolarMaskConfig& config, const data::PolarData& data,
                const models::PolarDataset* validation, Device& device);

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
  Tensor points(int64_t height, int64_t width) const;

  models::PolarMask& network_;
  const models::PolarMaskConfig& config_;
  const data::PolarData& data_;
  const models::PolarDataset* validation_;
  Device& device_;
  data::AspectSampler sampler_;
  std::unique_ptr<data::Loader<data::PolarBatch>> loader_;
  int64_t next_step_ = 0;
  data::PolarBatch batch_;
  data::ObjectCounts counts_;
};

/// The optimiser and the schedule that a configuration asks for.
Optimizer make_optimizer(nn::Module& network, const models::PolarTrainConfig& config);
Schedule make_schedule(const models::PolarTrainConfig& config, int64_t steps_per_epoch);
/// Steps of the whole schedule.
int64_t total_steps(const models::PolarTrainConfig& config, int64_t steps_per_epoch);

}  // namespace az::train
