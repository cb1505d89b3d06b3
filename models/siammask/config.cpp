#include "models/siammask/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "models/config.h"

namespace az::models {
namespace {

constexpr double kHuge = std::numeric_limits<double>::infinity();
constexpr int64_t kMany = std::numeric_limits<int64_t>::max();
constexpr int64_t kMostChannels = 8192;
constexpr int64_t kSmallestSearch = 127, kLargestSearch = 511;  // px; a crop511's side

template <class T>
void read_int(Config& c, const char* key, T& value, int64_t low, int64_t high) {
  value = static_cast<T>(c.integer(key, value, low, high));
}

SiamSetConfig read_set(Config& c, const std::string& name) {
  Config table = c.table(name);
  SiamSetConfig set;
  set.name = name;
  set.crops = table.text("crops", name + "/crop511");
  set.list = table.text("list", name + "/train.json");
  read_int(table, "frame_range", set.frame_range, 0, 1000000);
  read_int(table, "videos", set.videos, 0, kMany);
  set.masks = table.boolean("masks", set.masks);
  return set;
}

/// The tables of [data] that a text of names calls for.
std::vector<SiamSetConfig> read_sets(Config& c, const char* key) {
  std::vector<SiamSetConfig> sets;
  const std::string names = c.text(key, "");
  for (size_t at = names.find_first_not_of(' '); at != std::string::npos; at = names.find_first_not_of(' ', at)) {
    const size_t end = std::min(names.find(' ', at), names.size());
    const std::string name = names.substr(at, end - at);
    at = end;
    if (!std::ranges::all_of(name, [](char l) { return std::isalnum(static_cast<unsigned char>(l)) || l == '_'; }))
      c.reject(key, fmt::format("names '{}', want letters, digits and _", name));
    sets.push_back(read_set(c, name));
  }
  return sets;
}

void read_data(Config c, SiamDataConfig& d) {
  d.root = c.text("root", d.root);
  d.sets = read_sets(c, "sets");
  d.val_sets = read_sets(c, "val_sets");
  // Those of the published rows may stand there without being used: `--set "data.sets=coco"` leaves the others out.
  for (const char* name : {"ytb_vos", "vid", "coco", "det"})
    if (c.has(name)) read_set(c, name);
  read_int(c, "pairs_per_epoch", d.pairs_per_epoch, 1, kMany / 2);
  read_int(c, "val_pairs", d.val_pairs, 1, 1 << 24);
  read_int(c, "search_side", d.search_side, kSmallestSearch, kLargestSearch);
  d.grey = c.number("grey", d.grey, 0, 1);
  d.negative = c.number("negative", d.negative, 0, 1);
  d.exemplar_shift = c.number("exemplar_shift", d.exemplar_shift, 0, 511);
  d.exemplar_scale = c.number("exemplar_scale", d.exemplar_scale, 0, 0.9);
  d.search_shift = c.number("search_shift", d.search_shift, 0, 511);
  d.search_scale = c.number("search_scale", d.search_scale, 0, 0.9);
  d.search_blur = c.number("search_blur", d.search_blur, 0, 1);
  d.flip = c.number("flip", d.flip, 0, 1);
  d.colour = c.boolean("colour", d.colour);
  read_int(c, "workers", d.workers, 0, 256);
}

void read_model(Config c, SiamMaskOptions& m) {
  read_int(c, "channels", m.channels, 1, kMostChannels);
  read_int(c, "mask_side", m.mask_side, 0, 127);
  m.refine = c.boolean("refine", false);
  if (m.refine && m.mask_side == 0) c.reject("refine", "needs the mask head, whose mask_side is 0");
  Config b = c.table("backbone");
  const auto blocks = b.integers("blocks", {m.backbone.blocks.begin(), m.backbone.blocks.end()}, 3, 3, 1, 200);
  m.backbone.blocks.assign(blocks.begin(), blocks.end());
  read_int(b, "width", m.backbone.width, 1, kMostChannels);
  m.backbone.norm.momentum = b.number("norm_momentum", m.backbone.norm.momentum, 0, 1);
}

void read_anchors(Config c, SiamAnchorOptions& a) {
  read_int(c, "stride", a.stride, 1, 128);
  a.scales = c.numbers("scales", a.scales, 1, 16, 0.1, 1000);
  a.ratios = c.numbers("ratios", a.ratios, 1, 64, 0.01, 100);
  read_int(c, "round_digits", a.round_digits, 0, 12);
}

void read_targets(Config c, SiamTargetOptions& t) {
  t.positive_iou = c.number("positive_iou", t.positive_iou, 0, 1);
  t.negative_iou = c.number("negative_iou", t.negative_iou, 0, 1);
  if (t.negative_iou > t.positive_iou) c.reject("negative_iou", "is above positive_iou");
  read_int(c, "positives", t.positives, 1, 100000);
  read_int(c, "total", t.total, 1, 100000);
  read_int(c, "of_negative", t.of_negative, 0, 100000);
  read_int(c, "middle", t.middle, 0, 1000);
}

void read_loss(Config c, SiamLossWeights& l) {
  l.classes = c.number("class_weight", l.classes, 0, 1e6);
  l.boxes = c.number("box_weight", l.boxes, 0, 1e6);
  l.masks = c.number("mask_weight", l.masks, 0, 1e6);
}

void read_optimizer(Config& c, SiamTrainConfig& t) {
  t.optimizer = c.choice("optimizer", t.optimizer, {"sgd", "adam", "adamw"});
  t.momentum = c.number("momentum", t.momentum, 0, 0.99999);
  t.beta1 = c.number("beta1", t.beta1, 0, 0.99999);
  t.beta2 = c.number("beta2", t.beta2, 0, 0.9999999);
  t.weight_decay = c.number("weight_decay", t.weight_decay, 0, 10);
  t.clip_norm = c.number("clip_norm", t.clip_norm, 0, 1e9);
  t.loss_limit = c.number("loss_limit", t.loss_limit, 0, kHuge);
  t.fresh_optimizer = c.choice("fresh_optimizer", t.fresh_optimizer, {"change", "epoch", "never"});
}

void read_train(Config c, SiamTrainConfig& t) {
  t.stage = c.choice("stage", "base", {"base", "sharp"}) == "base" ? SiamStage::base : SiamStage::sharp;
  read_int(c, "seed", t.seed, 0, kMany);
  read_int(c, "batch", t.batch, 1, 4096);
  read_int(c, "epochs", t.epochs, 1, 1000000);
  read_int(c, "steps", t.steps, 0, kMany / 2);
  read_optimizer(c, t);
  t.curve = c.choice("curve", t.curve, {"linear", "log", "cosine"});
  t.lr = c.number("lr", t.lr, 1e-12, 1e3);
  t.last_lr = c.number("last_lr", t.last_lr, 1e-12, 1e3);
  read_int(c, "warmup_epochs", t.warmup_epochs, 0, 1000000);
  if (t.warmup_epochs >= t.epochs)
    c.reject("warmup_epochs", fmt::format("is {}, but there are {} epochs", t.warmup_epochs, t.epochs));
  t.warmup_lr = c.number("warmup_lr", t.warmup_lr, 1e-12, 1e3);
  t.backbone = c.choice("backbone", t.backbone, {"late", "all", "frozen"});
  read_int(c, "unfreeze_epoch", t.unfreeze_epoch, 0, 1000000);
  t.backbone_lr_mult = c.number("backbone_lr_mult", t.backbone_lr_mult, 0, 1000);
  t.backbone_norm_live = c.boolean("backbone_norm_live", t.backbone_norm_live);
  t.pretrained = c.text("pretrained", t.pretrained);
  read_int(c, "log_interval", t.log_interval, 1, kMany);
  read_int(c, "checkpoint_interval", t.checkpoint_interval, 0, kMany);
  read_int(c, "eval_interval", t.eval_interval, 0, kMany);
  read_int(c, "keep", t.keep, 1, 1000000);
  read_int(c, "keep_best", t.keep_best, 1, 1000000);
}

void read_tracker(Config c, SiamTrackerConfig& t) {
  t.penalty_k = c.number("penalty_k", t.penalty_k, 0, 10);
  t.window_influence = c.number("window_influence", t.window_influence, 0, 1);
  t.lr = c.number("lr", t.lr, 0, 1);
  t.seg_thr = c.number("seg_thr", t.seg_thr, 0, 1);
  read_int(c, "out_size", t.out_size, 0, 4096);
  read_int(c, "instance_side", t.instance_side, kSmallestSearch, 4096);
  t.context = c.number("context", t.context, 0, 10);
}

}  // namespace

SiamMaskConfig parse_siammask_config(Config& c) {
  SiamMaskConfig config;
  c.choice("system", "siammask", {"siammask"});
  read_data(c.table("data"), config.data);
  read_model(c.table("model"), config.model);
  read_anchors(c.table("anchors"), config.anchors);
  config.model.anchors = static_cast<int64_t>(config.anchors.scales.size() * config.anchors.ratios.size());
  read_targets(c.table("targets"), config.targets);
  read_loss(c.table("loss"), config.loss);
  read_train(c.table("train"), config.train);
  read_tracker(c.table("tracker"), config.tracker);
  if (config.train.stage == SiamStage::sharp && !config.model.refine)
    c.table("train").reject("stage", "is sharp, which trains Refine; set model.refine = true");
  if (config.train.eval_interval > 0 &&
      std::ranges::none_of(config.data.val_sets, [](const SiamSetConfig& s) { return s.masks; }))
    c.table("train").reject("eval_interval", "needs a set with masks among data.val_sets");
  c.finish();
  return config;
}

}  // namespace az::models
