#include "train/polarmask_task.h"

#include "autograd/node.h"
#include "cpu/ray_labels.h"
#include "cuda/build.h"
#include "cuda/ray_label_batch.h"
#include "ops/cast.h"
#include "tensor/error.h"
#include "tensor/profiler.h"

namespace az::train {

PolarMaskTask::PolarMaskTask(models::PolarMask& network, const models::PolarMaskConfig& config,
                             const data::PolarData& data, const models::PolarDataset* validation, Device& device,
                             DType activations, data::TargetsOn targets)
    : network_(network),
      config_(config),
      data_(data),
      validation_(validation),
      device_(device),
      activations_(activations),
      targets_(device.kind() == DeviceKind::cpu ? data::TargetsOn::host : targets),
      host_(device.kind() == DeviceKind::cpu ? device : own_host_.emplace()),
      sampler_(data.landscape(), {.batch = config.train.batch, .seed = static_cast<uint64_t>(config.train.seed)}) {}

uint64_t PolarMaskTask::load(int64_t step) {
  if (!loader_ || step != next_step_) {
    const auto make = [this](int64_t at) {
      const ProfilePhase phase(device_, Phase::data);
      const ProfileSpan span(device_, "make a batch");
      const auto [epoch, position] = sampler_.state(at);
      return data_.batch(sampler_.batch(epoch, position), epoch, host_, targets_);
    };
    loader_ = std::make_unique<data::Loader<data::PolarBatch>>(
        make,
        data::LoaderOptions{.workers = config_.data.workers, .prefetch = 2 * config_.data.workers + 2, .begin = step});
  }
  next_step_ = step + 1;
  batch_ = *loader_->next();
  counts_ += batch_.counts;
  const Shape& s = batch_.image.shape();
  const uint64_t key =
      static_cast<uint64_t>(s[0]) << 40 | static_cast<uint64_t>(s[1]) << 20 | static_cast<uint64_t>(s[2]);
  place_ = &place_for(key);
  return key;
}

/// On the host the batch itself; else its copy on the device.
PolarMaskTask::Place& PolarMaskTask::place_for(uint64_t key) {
  if (device_.kind() == DeviceKind::cpu) places_.clear();
  Place& place = places_[key];
  const bool box_branch = config_.model.head.box_branch;
  if (box_branch && !place.points.defined()) place.points = points(batch_.image.dim(1), batch_.image.dim(2));
  const auto put = [&](Tensor& to, const Tensor& from) {
    if (device_.kind() == DeviceKind::cpu) {
      to = from;
    } else if (!to.defined()) {
      to = from.to(device_);
    } else {
      device_.copy_from_host(to.mutable_raw(), from.raw(), from.bytes());
    }
  };
  put(place.image, batch_.image);
  if (targets_ == data::TargetsOn::device) {
    compute_targets(place);
    return place;
  }
  put(place.label, batch_.label);
  put(place.rays, batch_.rays);
  if (box_branch) put(place.box, batch_.box);
  return place;
}

/// The batch's targets by the device, before the step: its objects differ in number, so no graph could hold them.
void PolarMaskTask::compute_targets(Place& place) {
  if constexpr (cuda::kBuilt) {
    const cpu::LabelOptions& options = data_.options().labels;
    const auto height = static_cast<int>(batch_.image.dim(1)), width = static_cast<int>(batch_.image.dim(2));
    const cuda::RayLabelPlan plan = cuda::ray_label_plan(height, width, options);
    cuda::RayLabelBatch objects = cuda::pack_objects(batch_.objects, options);
    objects.ignored = std::move(batch_.ignored);
    const int64_t n = batch_.image.dim(0), locations = plan.locations;
    if (!place.label.defined()) {
      place.label = Tensor::empty({n, locations}, DType::i32, device_);
      place.rays = Tensor::empty({n, locations, plan.rays}, DType::f32, device_);
      if (config_.model.head.box_branch) place.box = Tensor::empty({n, locations, 4}, DType::f32, device_);
    }
    cuda::RayLabelTensors out{
        .label = place.label, .object = {}, .box = place.box, .rays = place.rays, .centerness = {}};
    cuda::ray_labels(cuda::device_of(device_), plan, objects, out);
  } else {
    fail("polarmask task: no kernels for targets on {}", device_.name());
  }
}

Tensor PolarMaskTask::points(int64_t height, int64_t width) const {
  std::vector<float> values;
  for (const auto& grid : cpu::level_grids(static_cast<int>(height), static_cast<int>(width), config_.labels.strides))
    for (int i = 0; i < grid.height; ++i)
      for (int j = 0; j < grid.width; ++j)
        for (const int at : {j, i}) values.push_back(static_cast<float>(at * grid.stride + grid.stride / 2));
  const auto count = static_cast<int64_t>(values.size() / 2);
  return Tensor::from(values, {count, 2}, device_);
}

Losses PolarMaskTask::forward() {
  const Place& at = *place_;
  const int64_t rows = at.label.numel();
  const models::PolarTargets targets{at.label.reshaped({rows}), at.rays.reshaped({rows, at.rays.dim(2)}),
                                     at.box.defined() ? at.box.reshaped({rows, 4}) : Tensor(), at.points};
  const auto losses =
      models::polar_losses(network_.forward(activations_ == DType::f32 ? at.image : ops::cast(at.image, activations_)),
                           targets, config_.loss);
  Losses out{{{"cls", losses.classes}, {"mask", losses.rays}, {"centerness", losses.centerness}}, losses.total};
  if (losses.boxes.defined()) out.terms.emplace_back("box", losses.boxes);
  return out;
}

std::vector<std::string> PolarMaskTask::names() const {
  std::vector<std::string> names;
  for (const auto& picture : batch_.pictures) names.push_back(picture.file);
  return names;
}

std::optional<double> PolarMaskTask::validate() {
  if (!validation_) return std::nullopt;
  models::PolarDetector detector(network_, config_, config_.model.head.classes, device_);
  const auto run = eval::run_polarmask(detector, config_, *validation_, {.workers = config_.data.workers, .show = {}});
  return run.segm.ap();
}

Optimizer make_optimizer(nn::Module& network, const models::PolarTrainConfig& c) {
  std::vector<Parameter> parameters;
  for (const nn::Entry& e : nn::entries(network)) {
    if (!e.learned || !autograd::requires_grad(*e.tensor)) continue;
    const ParamRule rule = c.decay == "reference" ? polarmask_rule(e.name) : matrix_decay_rule(e.tensor->shape());
    parameters.push_back({e.name, e.tensor, rule});
  }
  return Optimizer({.kind = optimizer_kind(c.optimizer),
                    .momentum = c.momentum,
                    .beta1 = c.beta1,
                    .beta2 = c.beta2,
                    .weight_decay = c.weight_decay,
                    .clip_norm = c.clip_norm},
                   std::move(parameters));
}

int64_t total_steps(const models::PolarTrainConfig& c, int64_t steps_per_epoch) {
  return c.steps > 0 ? c.steps : c.epochs * steps_per_epoch;
}

Schedule make_schedule(const models::PolarTrainConfig& c, int64_t steps_per_epoch) {
  return {.kind = schedule_kind(c.schedule),
          .base_lr = c.lr,
          .warmup_iterations = c.warmup_steps,
          .warmup_ratio = c.warmup_ratio,
          .steps = steps_from_epochs(c.step_epochs, steps_per_epoch),
          .gamma = c.step_factor,
          .total_iterations = total_steps(c, steps_per_epoch),
          .final_fraction = c.final_fraction};
}

}  // namespace az::train
