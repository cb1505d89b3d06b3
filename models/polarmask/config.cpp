#include "models/polarmask/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "models/config.h"

namespace az::models {
namespace {

constexpr double kHuge = std::numeric_limits<double>::infinity();
constexpr int64_t kMany = std::numeric_limits<int64_t>::max();
constexpr int64_t kLargestSide = 16384;  // pixels of an input
constexpr int64_t kMostChannels = 8192;
constexpr size_t kMostLevels = 8;

template <class T>
void read_int(Config& c, const char* key, T& value, int64_t low, int64_t high) {
  value = static_cast<T>(c.integer(key, value, low, high));
}

template <class T>
void read_ints(Config& c, const char* key, std::vector<T>& values, size_t fewest, size_t most, int64_t low,
               int64_t high) {
  const auto read = c.integers(key, {values.begin(), values.end()}, fewest, most, low, high);
  values.clear();
  for (const int64_t v : read) values.push_back(static_cast<T>(v));
}

void read_floats(Config& c, const char* key, std::array<float, 3>& values, double low, double high) {
  // Through float's own shortest text, so that the default 102.9801f is written as 102.9801.
  std::vector<double> start;
  for (const float v : values) start.push_back(std::stod(fmt::format("{}", v)));
  const auto read = c.numbers(key, start, 3, 3, low, high);
  for (size_t i = 0; i < 3; ++i) values[i] = static_cast<float>(read[i]);
}

void read_scale(Config& c, const char* key, std::array<int, 2>& scale) {
  const auto read = c.integers(key, {scale[0], scale[1]}, 2, 2, 32, kLargestSide);
  scale = {static_cast<int>(read[0]), static_cast<int>(read[1])};
  if (scale[0] < scale[1]) c.reject(key, "has its short side first, want [long, short]");
}

void read_augment(Config c, PolarDataConfig& d) {
  d.flip = c.number("flip", d.flip, 0, 1);
  const auto zoom = c.numbers("zoom", {d.zoom_low, d.zoom_high}, 2, 2, 0.05, 20);
  if (zoom[0] > zoom[1]) c.reject("zoom", "has its larger end first");
  d.zoom_low = zoom[0];
  d.zoom_high = zoom[1];
  d.aspect = c.number("aspect", d.aspect, 0, 0.9);
  d.shift = c.boolean("shift", d.shift);
  read_floats(c, "fill", d.fill, 0, 255);
  d.min_visible = c.number("min_visible", d.min_visible, 0, 1);
  read_int(c, "min_visible_px", d.min_visible_px, 0, kMany);
}

void read_data(Config c, PolarDataConfig& d) {
  d.root = c.text("root", d.root);
  d.train_annotations = c.text("train_annotations", d.train_annotations);
  d.train_images = c.text("train_images", d.train_images);
  d.val_annotations = c.text("val_annotations", d.val_annotations);
  d.val_images = c.text("val_images", d.val_images);
  read_int(c, "train_limit", d.train_limit, 0, kMany);
  read_int(c, "val_limit", d.val_limit, 0, kMany);
  read_int(c, "holdout", d.holdout, 0, kMany);
  read_int(c, "workers", d.workers, 0, 256);
  d.jpeg_scale = c.boolean("jpeg_scale", d.jpeg_scale);
  read_scale(c, "train_scale_low", d.train_scale_low);
  read_scale(c, "train_scale_high", d.train_scale_high);
  if (d.train_scale_low[0] > d.train_scale_high[0] || d.train_scale_low[1] > d.train_scale_high[1])
    c.reject("train_scale_high", "is smaller than train_scale_low");
  read_scale(c, "test_scale", d.test_scale);
  d.keep_ratio = c.boolean("keep_ratio", d.keep_ratio);
  read_int(c, "train_divisor", d.train_divisor, 1, 4096);
  read_int(c, "test_divisor", d.test_divisor, 1, 4096);
  d.rgb = c.choice("channels", d.rgb ? "rgb" : "bgr", {"bgr", "rgb"}) == "rgb";
  read_floats(c, "mean", d.mean, -1e4, 1e4);
  read_floats(c, "std", d.std, 1e-4, 1e4);
  d.min_area = c.number("min_area", d.min_area, 0, kHuge);
  d.min_side = c.number("min_side", d.min_side, 0, kHuge);
  read_int(c, "min_mask_px", d.min_mask_px, 0, kMany);
  read_int(c, "min_image_side", d.min_image_side, 0, kLargestSide);
  d.ignore_crowd = c.boolean("ignore_crowd", d.ignore_crowd);
  read_augment(c.table("augment"), d);
}

void read_norm(Config& c, nn::NormOptions& norm) {
  const std::string kind = c.choice("norm", "frozen", {"frozen", "batch", "group"});
  norm.kind = kind == "frozen" ? nn::NormKind::frozen : kind == "batch" ? nn::NormKind::batch : nn::NormKind::group;
  read_int(c, "norm_groups", norm.groups, 1, kMostChannels);
  norm.momentum = c.number("norm_momentum", norm.momentum, 0, 1);
}

void read_backbone(Config c, nn::ResNetOptions& b) {
  const auto depth = static_cast<int>(c.integer("depth", 50, 0, 101));
  constexpr std::array kDepths = {0, 18, 34, 50, 101};
  if (std::ranges::find(kDepths, depth) == kDepths.end())
    c.reject("depth", fmt::format("is {}, want 18, 34, 50 or 101, or 0 and blocks of one's own", depth));
  if (depth > 0) b = nn::resnet_depth(depth);
  b.block = c.choice("block", b.block == nn::Block::basic ? "basic" : "bottleneck", {"basic", "bottleneck"}) == "basic"
                ? nn::Block::basic
                : nn::Block::bottleneck;
  read_ints(c, "blocks", b.blocks, 4, 4, 1, 200);
  read_ints(c, "planes", b.planes, 4, 4, 1, kMostChannels);
  b.style = c.choice("style", "caffe", {"caffe", "pytorch"}) == "caffe" ? nn::Style::caffe : nn::Style::pytorch;
  read_int(c, "groups", b.groups, 1, kMostChannels);
  read_int(c, "base_width", b.base_width, 1, kMostChannels);
  b.stem = c.choice("stem", "7x7", {"7x7", "3x3x2"}) == "7x7" ? nn::Stem::one_7x7 : nn::Stem::two_3x3;
  const size_t stem_convs = b.stem == nn::Stem::one_7x7 ? 1 : 2;
  if (b.stem_channels.size() != stem_convs) b.stem_channels.assign(stem_convs, 64);
  read_ints(c, "stem_channels", b.stem_channels, stem_convs, stem_convs, 1, kMostChannels);
  read_norm(c, b.norm);
  b.frozen_stages = static_cast<int>(c.integer("frozen_stages", 1, 0, 4));
  b.zero_last_norm = c.boolean("zero_last_norm", b.zero_last_norm);
}

void read_head(Config c, PolarMaskConfig& config) {
  PolarHeadOptions& h = config.model.head;
  read_int(c, "classes", h.classes, 0, 100000);
  read_int(c, "channels", h.channels, 1, kMostChannels);
  read_int(c, "stacked_convs", h.stacked_convs, 0, 16);
  read_int(c, "norm_groups", h.norm_groups, 1, kMostChannels);
  if (h.channels % h.norm_groups != 0)
    c.reject("norm_groups", fmt::format("of {} do not divide {} channels", h.norm_groups, h.channels));
  read_int(c, "rays", h.rays, 3, 360);
  h.box_branch = c.boolean("box_branch", h.box_branch);
  h.class_prior = c.number("class_prior", h.class_prior, 1e-6, 0.5);
  h.ray_bias = c.number("ray_bias", h.ray_bias, -20, 20);
  const auto levels = static_cast<size_t>(h.levels);
  h.ray_scales = c.numbers("ray_scales", std::vector<double>(levels, 1.0), levels, levels, 1e-6, 1e6);
  config.model.head.max_exponent = c.number("max_exponent", config.model.head.max_exponent, 0, 80);
}

void read_model(Config c, PolarMaskConfig& config) {
  config.model.head.classes = 0;
  read_backbone(c.table("backbone"), config.model.backbone);
  Config fpn = c.table("fpn");
  nn::FpnOptions& f = config.model.fpn;
  read_int(fpn, "channels", f.channels, 1, kMostChannels);
  read_int(fpn, "start_level", f.start_level, 0, 3);
  read_int(fpn, "levels", f.levels, 1, static_cast<int64_t>(kMostLevels));
  if (f.levels < 4 - f.start_level) fpn.reject("levels", fmt::format("is {}, fewer than the backbone gives", f.levels));
  config.model.head.in_channels = f.channels;
  config.model.head.levels = f.levels;
  read_head(c.table("head"), config);
}

/// Strides follow from the pyramid; ranges are written as the borders between levels.
void read_labels(Config c, PolarMaskConfig& config) {
  cpu::LabelOptions& l = config.labels;
  const auto levels = static_cast<size_t>(config.model.head.levels);
  l.rays = static_cast<int>(config.model.head.rays);
  l.strides.clear();
  for (size_t i = 0; i < levels; ++i) l.strides.push_back(4 << (config.model.fpn.start_level + static_cast<int>(i)));
  std::vector<double> borders;
  for (size_t i = 0; i + 1 < levels; ++i) borders.push_back(8 * l.strides[i]);
  borders = c.numbers("range_borders", borders, levels - 1, levels - 1, 0, 1e8);
  if (!std::ranges::is_sorted(borders)) c.reject("range_borders", "should grow from level to level");
  l.ranges.clear();
  for (size_t i = 0; i < levels; ++i)
    l.ranges.emplace_back(i == 0 ? -1.0f : static_cast<float>(borders[i - 1]),
                          i + 1 == levels ? 1e8f : static_cast<float>(borders[i]));
  l.center_radius = static_cast<float>(c.number("center_radius", 1.5, 0.01, 1000));
  l.mode = cpu::label_mode(c.choice("mode", "compat", {"compat", "filled", "exact"}));
  read_int(c, "fill_max_run", l.fill_max_run, 0, 360);
  l.compat_wipe_when_center_x_zero = c.boolean("wipe_quirk", l.compat_wipe_when_center_x_zero);
}

void read_loss(Config c, PolarLossConfig& l) {
  l.weights.classes = c.number("class_weight", l.weights.classes, 0, 1e6);
  l.weights.centerness = c.number("centerness_weight", l.weights.centerness, 0, 1e6);
  l.weights.rays = c.number("ray_weight", l.weights.rays, 0, 1e6);
  l.weights.boxes = c.number("box_weight", l.weights.boxes, 0, 1e6);
  l.focal_alpha = c.number("focal_alpha", l.focal_alpha, 0, 1);
  l.focal_gamma = c.number("focal_gamma", l.focal_gamma, 0, 10);
}

void read_schedule(Config& c, PolarTrainConfig& t) {
  read_int(c, "epochs", t.epochs, 1, 1000000);
  read_int(c, "steps", t.steps, 0, kMany / 2);
  t.schedule = c.choice("schedule", t.schedule, {"constant", "step", "cosine"});
  read_ints(c, "step_epochs", t.step_epochs, 0, 32, 0, 1000000);
  if (!std::ranges::is_sorted(t.step_epochs)) c.reject("step_epochs", "should grow");
  t.step_factor = c.number("step_factor", t.step_factor, 0, 1);
  t.final_fraction = c.number("final_fraction", t.final_fraction, 0, 1);
  read_int(c, "warmup_steps", t.warmup_steps, 0, kMany / 2);
  t.warmup_ratio = c.number("warmup_ratio", t.warmup_ratio, 0, 1);
}

void read_train(Config c, PolarTrainConfig& t) {
  read_int(c, "seed", t.seed, 0, kMany);
  read_int(c, "batch", t.batch, 1, 4096);
  t.optimizer = c.choice("optimizer", t.optimizer, {"sgd", "adam", "adamw"});
  t.lr = c.number("lr", t.lr, 0, 1e3);
  t.momentum = c.number("momentum", t.momentum, 0, 0.99999);
  t.beta1 = c.number("beta1", t.beta1, 0, 0.99999);
  t.beta2 = c.number("beta2", t.beta2, 0, 0.9999999);
  t.weight_decay = c.number("weight_decay", t.weight_decay, 0, 10);
  t.decay = c.choice("decay", t.decay, {"reference", "matrices"});
  t.clip_norm = c.number("clip_norm", t.clip_norm, 0, 1e9);
  read_schedule(c, t);
  t.pretrained = c.text("pretrained", t.pretrained);
  read_int(c, "log_interval", t.log_interval, 1, kMany);
  read_int(c, "checkpoint_interval", t.checkpoint_interval, 0, kMany);
  read_int(c, "eval_interval", t.eval_interval, 0, kMany);
  read_int(c, "keep", t.keep, 1, 1000000);
  read_int(c, "keep_best", t.keep_best, 1, 1000000);
}

void read_test(Config c, PolarTestConfig& t) {
  read_int(c, "nms_pre", t.nms_pre, 0, 1 << 24);
  t.score_threshold = c.number("score_threshold", t.score_threshold, 0, 1);
  t.nms_iou = c.number("nms_iou", t.nms_iou, 0, 1);
  read_int(c, "max_per_image", t.max_per_image, 1, 100000);
  t.center_bias = c.number("center_bias", t.center_bias, 0, 10);
  t.mask_nms = c.boolean("mask_nms", t.mask_nms);
  t.round_vertices = c.boolean("round_vertices", t.round_vertices);
}

}  // namespace

PolarMaskConfig parse_polarmask_config(Config& c) {
  PolarMaskConfig config;
  c.choice("system", "polarmask", {"polarmask"});
  read_data(c.table("data"), config.data);
  read_model(c.table("model"), config);
  read_labels(c.table("labels"), config);
  read_loss(c.table("loss"), config.loss);
  read_train(c.table("train"), config.train);
  read_test(c.table("test"), config.test);
  c.finish();
  return config;
}

}  // namespace az::models
