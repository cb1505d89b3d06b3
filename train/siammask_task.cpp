#include "train/siammask_task.h"

#include <fmt/format.h>

#include <cmath>

#include "autograd/node.h"
#include "eval/siam_run.h"
#include "models/siammask/tracker_options.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "tensor/error.h"
#include "tensor/profiler.h"

namespace az::train {
namespace {

using models::SiamMask;
using models::SiamStage;
using models::SiamTrainConfig;

constexpr const char* kBackbone = "features.features";
/// Random numbers of a sample's targets; its crops take those of step 0 (data/siam_pairs.cpp).
constexpr uint64_t kTargetDraws = 1;
/// On the host rows of masks come in packs of so many, so that few shapes recur and little is computed in vain.
constexpr int64_t kRowPack = 8;

void set_learning(nn::Module& module, bool on) {
  for (const nn::Entry& e : nn::entries(module))
    if (e.learned) autograd::set_requires_grad(*e.tensor, on);
}

/// The parts outside the backbone that the first stage trains.
std::vector<const char*> base_parts(const SiamMask& network) {
  std::vector<const char*> parts = {"features.downsample", "rpn_model.cls", "rpn_model.loc"};
  if (network.options().mask_side > 0) parts.push_back("mask_model.mask");
  return parts;
}

/// Blocks of the backbone that are trained.
std::vector<nn::Module*> trained_blocks(SiamMask& network, const SiamTrainConfig& config, bool late) {
  std::vector<nn::Module*> blocks;
  if (config.stage == SiamStage::sharp) return blocks;
  const bool all = config.backbone == "all";
  if (all) blocks = network.backbone().stem();
  for (size_t layer = 1; layer <= 3; ++layer)
    if (all || (config.backbone == "late" && late && layer >= 2))
      for (nn::Module* block : network.backbone().stage(layer)) blocks.push_back(block);
  return blocks;
}

template <class T>
void assign(Tensor& to, const std::vector<T>& values, const Shape& shape, Device& device) {
  if (!to.defined() || device.kind() == DeviceKind::cpu) {
    to = Tensor::from(values, shape, device);
  } else {
    device.copy_from_host(to.mutable_raw(), values.data(), to.bytes());
  }
}

}  // namespace

std::vector<data::SiamSetOptions> siam_sets(const models::SiamDataConfig& config, bool validation) {
  const std::filesystem::path root = config.root;
  std::vector<data::SiamSetOptions> sets;
  for (const auto& s : validation ? config.val_sets : config.sets)
    sets.push_back({s.name, root / s.crops, root / s.list, s.frame_range, s.videos, s.masks});
  AZ_CHECK(!sets.empty(), "siammask: data.{} names no set; give tables of [data] by name, e.g. \"ytb_vos coco\"",
           validation ? "val_sets" : "sets");
  return sets;
}

data::SiamPairOptions siam_pair_options(const models::SiamMaskConfig& config, bool validation) {
  const auto& d = config.data;
  data::SiamPairOptions options{
      .search_side = d.search_side,
      .grey = d.grey,
      .negative = d.negative,
      .exemplar = {.shift = d.exemplar_shift, .scale = d.exemplar_scale, .blur = 0, .flip = 0},
      .search = {.shift = d.search_shift, .scale = d.search_scale, .blur = d.search_blur, .flip = d.flip},
      .colour = d.colour,
      .seed = static_cast<uint64_t>(config.train.seed)};
  if (!validation) return options;
  options.grey = options.negative = options.search.blur = options.search.flip = 0;
  options.colour = false;
  return options;
}

void set_trained(SiamMask& network, const SiamTrainConfig& config, bool late) {
  set_learning(network, false);
  if (config.stage == SiamStage::sharp) {
    for (const char* part : {"conv_kernel.0", "conv_kernel.1", "conv_search.0", "conv_search.1"})
      set_learning(nn::find_module(network, std::string("mask_model.mask.") + part), true);
    set_learning(nn::find_module(network, "refine_model"), true);
    return;
  }
  for (const char* part : base_parts(network)) set_learning(nn::find_module(network, part), true);
  for (nn::Module* block : trained_blocks(network, config, late)) set_learning(*block, true);
}

void set_live_norms(SiamMask& network, const SiamTrainConfig& config, bool late) {
  network.set_training(false);
  if (config.stage == SiamStage::sharp) {
    nn::find_module(network, "mask_model.mask").set_training(true);
    return;
  }
  for (const char* part : base_parts(network)) nn::find_module(network, part).set_training(true);
  if (!config.backbone_norm_live) return;
  for (nn::Module* block : trained_blocks(network, config, late)) block->set_training(true);
}

Optimizer make_optimizer(SiamMask& network, const SiamTrainConfig& c) {
  std::vector<Parameter> parameters;
  for (const nn::Entry& e : nn::entries(network)) {
    if (!e.learned || !autograd::requires_grad(*e.tensor)) continue;
    parameters.push_back({e.name, e.tensor, {e.name.starts_with(kBackbone) ? c.backbone_lr_mult : 1.0, 1.0}});
  }
  return Optimizer({.kind = optimizer_kind(c.optimizer),
                    .momentum = c.momentum,
                    .beta1 = c.beta1,
                    .beta2 = c.beta2,
                    .weight_decay = c.weight_decay,
                    .clip_norm = c.clip_norm,
                    .loss_limit = c.loss_limit},
                   std::move(parameters));
}

SiamMaskTask::SiamMaskTask(SiamMask& network, const models::SiamMaskConfig& config, const data::SiamPairs& pairs,
                           const data::SiamPairs* validation, Device& device, DType activations)
    : network_(network),
      config_(config),
      pairs_(pairs),
      validation_(validation),
      device_(device),
      activations_(activations),
      targets_(config.anchors, config.targets, config.data.search_side),
      steps_per_epoch_(config.train.steps > 0 ? config.train.steps / config.train.epochs
                                              : config.data.pairs_per_epoch / config.train.batch) {
  if (config.train.eval_interval > 0 && !config.data.val_vot.empty()) {
    val_vot_ = data::read_vot(std::filesystem::path(config.data.root) / config.data.val_vot);
    val_interval_ = eval::parse_vot_interval("data.val_interval", config.data.val_interval);
  }
  AZ_CHECK(steps_per_epoch_ >= 1, "siammask: {} epochs share {} steps; want one or more each", config.train.epochs,
           config.train.steps > 0 ? config.train.steps : config.data.pairs_per_epoch / config.train.batch);
}

int64_t SiamMaskTask::total_steps() const {
  return config_.train.steps > 0 ? config_.train.steps : config_.train.epochs * steps_per_epoch_;
}

Schedule SiamMaskTask::schedule() const {
  const SiamTrainConfig& c = config_.train;
  return {.kind = ScheduleKind::epochs,
          .rates = epoch_rates({.epochs = c.epochs,
                                .curve = curve_kind(c.curve),
                                .first = c.lr,
                                .last = c.last_lr,
                                .warmup_epochs = c.warmup_epochs,
                                .warmup_first = c.warmup_lr,
                                .warmup_last = c.lr}),
          .iterations_per_epoch = steps_per_epoch_};
}

/// The epoch where each begins anew; else 0, and 1 from where layers are unfrozen.
int64_t SiamMaskTask::stage(int64_t step) const {
  const int64_t epoch = step / steps_per_epoch_;
  if (config_.train.fresh_optimizer == "epoch") return epoch;
  return !sharp() && config_.train.backbone == "late" && epoch >= config_.train.unfreeze_epoch ? 1 : 0;
}

bool SiamMaskTask::trains_layers(int64_t stage) const {
  return config_.train.fresh_optimizer == "epoch" ? stage >= config_.train.unfreeze_epoch : stage > 0;
}

std::optional<Optimizer> SiamMaskTask::enter(int64_t stage) {
  stage_ = stage;
  set_trained(network_, config_.train, trains_layers(stage));
  return make_optimizer(network_, config_.train);
}

void SiamMaskTask::set_training() { set_live_norms(network_, config_.train, trains_layers(stage_)); }

SiamMaskTask::Made SiamMaskTask::make(const data::SiamPairs& from, int64_t first, int64_t count) const {
  Made made{from.batch(first, count), {}};
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    const data::CornerBox& box = made.pairs.boxes[at];
    Rng rng(from.options().seed, Purpose::augment, static_cast<uint64_t>(first + i), kTargetDraws);
    targets_.add({box.x1, box.y1, box.x2, box.y2}, made.pairs.negative[at] != 0, made.pairs.has_mask[at] != 0, rng,
                 made.maps);
  }
  return made;
}

/// On a device as many as there can be, so that a captured step holds any batch.
int64_t SiamMaskTask::mask_rows(int64_t cells) const {
  if (device_.kind() != DeviceKind::cpu) return config_.train.batch * targets_.most_cells();
  return std::max(kRowPack, (cells + kRowPack - 1) / kRowPack * kRowPack);
}

void SiamMaskTask::put(const Made& made, Place& place) {
  const data::SiamBatch& b = made.pairs;
  const int64_t n = b.n, z = b.exemplar_side, x = b.search_side, s = targets_.cells(), a = targets_.anchors();
  assign(place.exemplar, b.exemplar, {n, z, z, 3}, device_);
  assign(place.search, b.search, {n, x, x, 3}, device_);
  assign(place.targets.labels, made.maps.labels, {n, s, s, a}, device_);
  assign(place.targets.boxes, made.maps.boxes, {n, s, s, 4 * a}, device_);
  assign(place.targets.box_weights, made.maps.box_weights, {n, s, s, a}, device_);
  if (config_.model.mask_side == 0) return;
  const auto chosen = static_cast<int64_t>(made.maps.cells.size() / 3), rows = mask_rows(chosen);
  std::vector<int32_t> cells = made.maps.cells;
  cells.resize(static_cast<size_t>(3 * rows), 0);
  std::vector<float> weights(static_cast<size_t>(rows), 0);
  std::fill_n(weights.begin(), chosen, 1.0F);
  assign(place.targets.cells, cells, {rows, 3}, device_);
  assign(place.targets.cell_weights, weights, {rows}, device_);
  assign(place.targets.masks, b.masks, {n, x, x, 1}, device_);
}

uint64_t SiamMaskTask::load(int64_t step) {
  const int64_t batch = config_.train.batch;
  if (!loader_ || step != next_step_) {
    const auto make_step = [this, batch](int64_t at) {
      const ProfilePhase phase(device_, Phase::data);
      const ProfileSpan span(device_, "make a batch");
      return make(pairs_, at * batch, batch);
    };
    const int workers = config_.data.workers;
    loader_ = std::make_unique<data::Loader<Made>>(
        make_step, data::LoaderOptions{.workers = workers, .prefetch = 2 * workers + 2, .begin = step});
  }
  next_step_ = step + 1;
  const Made made = *loader_->next();
  const auto key = static_cast<uint64_t>(mask_rows(static_cast<int64_t>(made.maps.cells.size() / 3)));
  if (device_.kind() == DeviceKind::cpu) places_.clear();
  place_ = &places_[key];
  put(made, *place_);
  return key;
}

Tensor SiamMaskTask::cast_input(const Tensor& image) const {
  return activations_ == DType::f32 ? image : ops::cast(image, activations_);
}

Losses SiamMaskTask::forward() {
  const auto found = network_.search(cast_input(place_->search), network_.make_template(cast_input(place_->exemplar)));
  const auto losses = models::siam_losses(network_, found, place_->targets, config_.train.stage, config_.loss);
  const auto weighted = [](const Tensor& loss, double weight) { return ops::scale(loss, weight); };
  Losses out{
      {{"cls", weighted(losses.classes, config_.loss.classes)}, {"box", weighted(losses.boxes, config_.loss.boxes)}},
      losses.total};
  if (losses.masks.defined()) out.terms.emplace_back("mask", weighted(losses.masks, config_.loss.masks));
  return out;
}

std::vector<std::string> SiamMaskTask::names() const {
  std::vector<std::string> names;
  const auto name = [this](const data::SiamTarget& t) {
    const data::SiamList& list = pairs_.list(t.set);
    const auto& track = list.tracks()[t.track];
    return fmt::format("{}.{}.{:06}", list.videos()[track.video].name, track.name,
                       list.frames_of(t.track)[t.frame].number);
  };
  for (int64_t i = 0; i < config_.train.batch; ++i) {
    const data::SiamPair pair = pairs_.pair((next_step_ - 1) * config_.train.batch + i);
    names.push_back(name(pair.exemplar) + " > " + name(pair.search));
  }
  return names;
}

std::optional<double> SiamMaskTask::validate() {
  return val_vot_ ? tracked_eao() : mask_accuracy();
}

double SiamMaskTask::tracked_eao() {
  models::SiamTracker tracker(network_, {models::track_options(config_.tracker)}, device_,
                              models::step_options(config_, activations_, /*graphs=*/false));
  eval::TrackTime time;
  const auto results = eval::track_vot(tracker, *val_vot_, {"validation"}, time);
  const double eao = eval::evaluate_vot(*val_vot_, results.front(), {.interval = val_interval_}).eao;
  AZ_CHECK(std::isfinite(eao),
           "data.val_vot: no sequence of {} is long enough for an EAO over {} to {} frames; set "
           "data.val_interval",
           config_.data.val_vot, val_interval_.low, val_interval_.high);
  return eao;
}

std::optional<double> SiamMaskTask::mask_accuracy() {
  if (!validation_ || config_.model.mask_side == 0) return std::nullopt;
  const autograd::NoGrad off;
  const int64_t batch = config_.train.batch;
  double sum = 0, cells = 0;
  for (int64_t first = 0; first < config_.data.val_pairs; first += batch) {
    const Made made = make(*validation_, first, std::min(batch, config_.data.val_pairs - first));
    const auto chosen = static_cast<double>(made.maps.cells.size() / 3);
    if (chosen == 0) continue;
    Place place;
    put(made, place);
    const auto found = network_.search(cast_input(place.search), network_.make_template(cast_input(place.exemplar)));
    const Tensor logits = sharp() ? network_.refine(found, place.targets.cells, /*padded=*/false)
                                  : network_.masks_of(found, place.targets.cells);
    sum += chosen * models::siam_mask_accuracy(logits, place.targets, /*padded=*/!sharp()).mean_iou;
    cells += chosen;
  }
  return cells > 0 ? std::optional(sum / cells) : std::nullopt;
}

}  // namespace az::train
