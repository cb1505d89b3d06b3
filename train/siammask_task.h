// SiamMask in training: both stages, and the box variant (specs/siammask.md section 11).
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>

#include "data/loader.h"
#include "data/siam_pairs.h"
#include "data/vot.h"
#include "eval/vot.h"
#include "models/siammask/config.h"
#include "train/trainer.h"

namespace az::train {

/// The sets of a configuration, and how pairs are drawn from them.
std::vector<data::SiamSetOptions> siam_sets(const models::SiamDataConfig& config, bool validation);
data::SiamPairOptions siam_pair_options(const models::SiamMaskConfig& config, bool validation);

class SiamMaskTask final : public Task {
 public:
  /// `validation` may be null. `activations`: f32, or bf16 for mixed precision. All references outlive the task.
  /// Error: of the set that validation tracks (data/vot.h).
  SiamMaskTask(models::SiamMask& network, const models::SiamMaskConfig& config, const data::SiamPairs& pairs,
               const data::SiamPairs* validation, Device& device, DType activations = DType::f32);

  nn::Module& network() override { return network_; }
  uint64_t load(int64_t step) override;
  Losses forward() override;
  int64_t images() const override { return config_.train.batch; }
  std::vector<std::string> names() const override;
  double waited_ms() const override { return loader_ ? loader_->waited_ms() : 0; }
  /// EAO of tracking the configuration's VOT set, or without one the mean intersection over union of the masks of
  /// validation pairs. Error: no sequence is long enough for the interval of EAO.
  std::optional<double> validate() override;

  int64_t stage(int64_t step) const override;
  std::optional<Optimizer> enter(int64_t stage) override;
  bool keeps_momentum() const override { return config_.train.fresh_optimizer == "never"; }
  void set_training() override;

  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  /// Steps of the whole schedule.
  int64_t total_steps() const;
  Schedule schedule() const;

 private:
  /// A batch as the loader's threads make it.
  struct Made {
    data::SiamBatch pairs;
    models::SiamTargetMaps maps;
  };
  /// A batch's tensors on the device, at addresses that later batches with as many rows of masks use again.
  struct Place {
    Tensor exemplar, search;
    models::SiamTargets targets;
  };
  Made make(const data::SiamPairs& from, int64_t first, int64_t count) const;
  void put(const Made& made, Place& place);
  int64_t mask_rows(int64_t cells) const;
  Tensor cast_input(const Tensor& image) const;
  bool trains_layers(int64_t stage) const;
  double tracked_eao();
  std::optional<double> mask_accuracy();
  bool sharp() const { return config_.train.stage == models::SiamStage::sharp; }

  models::SiamMask& network_;
  const models::SiamMaskConfig& config_;
  const data::SiamPairs& pairs_;
  const data::SiamPairs* validation_;
  Device& device_;
  DType activations_;
  models::SiamTargetMaker targets_;
  std::optional<data::VotSet> val_vot_;
  eval::VotInterval val_interval_;
  int64_t steps_per_epoch_;
  std::unique_ptr<data::Loader<Made>> loader_;
  int64_t next_step_ = 0, stage_ = 0;
  std::unordered_map<uint64_t, Place> places_;
  Place* place_ = nullptr;  // of the current batch
};

/// Leaves that gradients reach from here on, and nothing else: those of the parts that a stage trains.
/// `late`: layer2 and layer3 too, where the configuration unfreezes them late.
void set_trained(models::SiamMask& network, const models::SiamTrainConfig& config, bool late);
/// Parts whose norms use the batch's statistics.
void set_live_norms(models::SiamMask& network, const models::SiamTrainConfig& config, bool late);
/// The optimiser of what is trained now.
Optimizer make_optimizer(models::SiamMask& network, const models::SiamTrainConfig& config);

}  // namespace az::train
