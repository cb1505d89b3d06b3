#include "models/polarmask/model.h"

#include <cmath>
#include <limits>

#include "autograd/node.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/focal.h"
#include "ops/polar_loss.h"
#include "tensor/error.h"

namespace az::models {

using nn::Builder;
using nn::Conv2d;
using nn::Init;
using nn::Norm;

/// Convolution, group norm, ReLU, several times, of all levels.   [n, h, w, in] -> [n, h, w, channels] each
class PolarHead::Tower final : public nn::Module {
 public:
  Tower(const Builder& b, const std::string& name, const PolarHeadOptions& o) {
    for (int i = 0; i < o.stacked_convs; ++i) {
      convs_.push_back(std::make_unique<Conv2d>(
          b, name + "." + std::to_string(i),
          Conv2d::Options{.in = i == 0 ? o.in_channels : o.channels, .out = o.channels, .init = Init::normal_001}));
      norms_.push_back(
          std::make_unique<Norm>(b, o.channels, nn::NormOptions{.kind = nn::NormKind::group, .groups = o.norm_groups}));
    }
  }
  std::vector<Tensor> forward(const std::vector<Tensor>& levels) {
    std::vector<Tensor> x = levels;
    for (size_t i = 0; i < convs_.size(); ++i) x = norms_[i]->after_levels(*convs_[i], x, true);
    return x;
  }
  void visit(nn::Visitor& v) override {
    for (size_t i = 0; i < convs_.size(); ++i) {
      v.module(std::to_string(i) + ".conv", *convs_[i]);
      v.module(std::to_string(i) + ".gn", *norms_[i]);
    }
  }

 private:
  std::vector<std::unique_ptr<Conv2d>> convs_;
  std::vector<std::unique_ptr<Norm>> norms_;
};

/// A learned factor of one level.
class PolarHead::Scale final : public nn::Module {
 public:
  Scale(const Builder& b, double value, double max_exponent)
      : scale_(Tensor::full(Shape{}, value, DType::f32, b.device)),
        limit_(max_exponent > 0 ? max_exponent : std::numeric_limits<double>::infinity()) {
    autograd::set_requires_grad(scale_, true);
  }
  ops::LevelExp exp() const { return {scale_, limit_}; }
  void visit(nn::Visitor& v) override { v.parameter("scale", scale_); }

 private:
  Tensor scale_;
  double limit_;
};

PolarHead::PolarHead(const Builder& b, const PolarHeadOptions& o) {
  AZ_CHECK(o.ray_scales.empty() || o.ray_scales.size() == static_cast<size_t>(o.levels),
           "polarmask head: {} ray scales for {} levels", o.ray_scales.size(), o.levels);
  const auto last = [&](const std::string& name, int64_t out, double bias) {
    return std::make_unique<Conv2d>(
        b, name,
        Conv2d::Options{.in = o.channels, .out = out, .bias = true, .init = Init::normal_001, .bias_value = bias});
  };
  class_tower_ = std::make_unique<Tower>(b, "cls_convs", o);
  ray_tower_ = std::make_unique<Tower>(b, "mask_convs", o);
  polar_class_ = last("polar_cls", o.classes, -std::log((1 - o.class_prior) / o.class_prior));
  polar_centerness_ = last("polar_centerness", 1, 0);
  polar_rays_ = last("polar_mask", o.rays, o.ray_bias);
  if (o.box_branch) {
    box_tower_ = std::make_unique<Tower>(b, "reg_convs", o);
    polar_box_ = last("polar_reg", 4, 0);
  }
  for (size_t i = 0; i < static_cast<size_t>(o.levels); ++i) {
    ray_scales_.push_back(std::make_unique<Scale>(b, o.ray_scales.empty() ? 1 : o.ray_scales[i], o.max_exponent));
    if (o.box_branch) box_scales_.push_back(std::make_unique<Scale>(b, 1, o.max_exponent));
  }
}

PolarHead::~PolarHead() = default;

PolarOutputs PolarHead::forward(const std::vector<Tensor>& pyramid) {
  AZ_CHECK(pyramid.size() == ray_scales_.size(), "polarmask head: {} levels, built for {}", pyramid.size(),
           ray_scales_.size());
  // Whatever the activations are, logits and distances are f32: bf16 moves in steps of 4 at 700 pixels.
  const auto logits = [](const Conv2d& conv, const std::vector<Tensor>& levels) {
    std::vector<Tensor> y = conv.forward_levels(levels);
    for (Tensor& t : y)
      if (is_half(t.dtype())) t = ops::cast(t, DType::f32);
    return y;
  };
  const auto distances = [](const Conv2d& conv, const std::vector<Tensor>& levels,
                            const std::vector<std::unique_ptr<Scale>>& scales) {
    std::vector<ops::LevelExp> exps;
    for (const auto& scale : scales) exps.push_back(scale->exp());
    return conv.forward_levels_exp(levels, exps);
  };
  PolarOutputs out;
  {
    const std::vector<Tensor> classes = class_tower_->forward(pyramid);
    out.classes = logits(*polar_class_, classes);
    out.centerness = logits(*polar_centerness_, classes);
  }
  out.rays = distances(*polar_rays_, ray_tower_->forward(pyramid), ray_scales_);
  if (box_tower_) out.boxes = distances(*polar_box_, box_tower_->forward(pyramid), box_scales_);
  return out;
}

void PolarHead::visit(nn::Visitor& v) {
  v.module("cls_convs", *class_tower_);
  if (box_tower_) v.module("reg_convs", *box_tower_);
  v.module("mask_convs", *ray_tower_);
  v.module("polar_cls", *polar_class_);
  if (polar_box_) v.module("polar_reg", *polar_box_);
  v.module("polar_mask", *polar_rays_);
  v.module("polar_centerness", *polar_centerness_);
  for (size_t i = 0; i < box_scales_.size(); ++i) v.module("scales_bbox." + std::to_string(i), *box_scales_[i]);
  for (size_t i = 0; i < ray_scales_.size(); ++i) v.module("scales_mask." + std::to_string(i), *ray_scales_[i]);
}

PolarMask::PolarMask(const Builder& b, PolarMaskOptions o) : backbone_(std::make_unique<nn::ResNet>(b, o.backbone)) {
  o.fpn.in_channels = backbone_->out_channels();
  o.head.in_channels = o.fpn.channels;
  o.head.levels = o.fpn.levels;
  neck_ = std::make_unique<nn::Fpn>(b, o.fpn);
  head_ = std::make_unique<PolarHead>(b, o.head);
}

PolarOutputs PolarMask::forward(const Tensor& image, PolarTrace* trace) {
  AZ_CHECK(image.defined() && image.rank() == 4 && image.dim(3) == 3, "polarmask: image is {}, want f32 [n, h, w, 3]",
           image.str());
  std::vector<Tensor> stages = backbone_->forward(image, trace ? 0 : neck_->start_level());
  if (trace) trace->stages = stages;
  const std::vector<Tensor> pyramid = neck_->forward(std::move(stages));
  if (trace) trace->pyramid = pyramid;
  return head_->forward(pyramid);
}

void PolarMask::visit(nn::Visitor& v) {
  v.module("backbone", *backbone_);
  v.module("neck", *neck_);
  v.module("bbox_head", *head_);
}

PolarLosses polar_losses(const PolarOutputs& outputs, const PolarTargets& targets, const PolarLossConfig& config) {
  const PolarLossWeights& weights = config.weights;
  const auto rows = [](const std::vector<Tensor>& levels) {
    const Tensor joined = ops::concat_levels(levels);
    return ops::reshape(joined, {joined.dim(0) * joined.dim(1), joined.dim(2)});
  };
  const Tensor classes = rows(outputs.classes);
  const auto images = static_cast<double>(outputs.classes[0].dim(0));
  AZ_CHECK(targets.labels.defined() && targets.labels.shape() == Shape{classes.dim(0)},
           "polarmask loss: labels {} for {} locations", targets.labels.str(), classes.dim(0));
  const Tensor centerness = ops::polar_centerness(targets.rays, targets.labels);
  const auto weighted = [](const Tensor& loss, double w) { return w == 1 ? loss : ops::scale(loss, w); };
  PolarLosses losses;
  losses.classes =
      weighted(ops::sigmoid_focal_loss(classes, targets.labels, images, config.focal_alpha, config.focal_gamma),
               weights.classes);
  losses.centerness =
      weighted(ops::centerness_bce(rows(outputs.centerness), centerness, targets.labels), weights.centerness);
  losses.rays =
      weighted(ops::polar_iou_loss(rows(outputs.rays), targets.rays, centerness, targets.labels), weights.rays);
  losses.total = ops::add(ops::add(losses.classes, losses.centerness), losses.rays);
  if (!outputs.boxes.empty()) {
    losses.boxes =
        weighted(ops::box_iou_loss(targets.points, rows(outputs.boxes), targets.boxes, centerness, targets.labels),
                 weights.boxes);
    losses.total = ops::add(losses.total, losses.boxes);
  }
  return losses;
}

}  // namespace az::models
