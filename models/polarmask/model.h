// PolarMask's network: ResNet, FPN, and a head whose towers all levels share.
// Source: Xie et al., "PolarMask", CVPR 2020; polarmask_head.py of the reference.
#pragma once

#include <memory>
#include <vector>

#include "nn/fpn.h"
#include "nn/resnet.h"

namespace az::models {

struct PolarHeadOptions {
  int64_t in_channels = 256, channels = 256;
  int stacked_convs = 4;  ///< 3x3 convolution, group norm, ReLU; per tower
  int norm_groups = 32;
  int64_t classes = 80;  ///< without the background
  int64_t rays = 36;
  bool box_branch = true;
  int levels = 5;
  double class_prior = 0.01;            ///< the class bias starts at -log((1 - p) / p)
  double max_exponent = 0;              ///< the exponent of a distance is clamped to this; 0: not clamped
  double ray_bias = 0;                  ///< start of the ray convolution's bias
  std::vector<double> ray_scales = {};  ///< start of the levels' scales; empty: 1
};

/// Raw outputs, one tensor a level.
struct PolarOutputs {
  std::vector<Tensor> classes;     ///< [n, h, w, classes] logits
  std::vector<Tensor> centerness;  ///< [n, h, w, 1] logits
  std::vector<Tensor> rays;        ///< [n, h, w, rays] lengths in pixels
  std::vector<Tensor> boxes;  ///< [n, h, w, 4] distances left, top, right, bottom in pixels; empty without the branch
};

class PolarHead final : public nn::Module {
 public:
  PolarHead(const nn::Builder& b, const PolarHeadOptions& options);
  ~PolarHead() override;
  PolarOutputs forward(const std::vector<Tensor>& pyramid);
  void visit(nn::Visitor& v) override;

 private:
  class Tower;
  class Scale;
  std::unique_ptr<Tower> class_tower_, box_tower_, ray_tower_;
  std::unique_ptr<nn::Conv2d> polar_class_, polar_centerness_, polar_box_, polar_rays_;
  std::vector<std::unique_ptr<Scale>> box_scales_, ray_scales_;
};

struct PolarMaskOptions {
  nn::ResNetOptions backbone;
  nn::FpnOptions fpn;  ///< in_channels are filled from the backbone
  PolarHeadOptions head;
};

/// What forward computed on the way, for tests that compare every stage.
struct PolarTrace {
  std::vector<Tensor> stages;   ///< C2..C5
  std::vector<Tensor> pyramid;  ///< P3..P7
};

/// image [n, h, w, 3] -> outputs of all levels. Parameter names are the reference's.
class PolarMask final : public nn::Module {
 public:
  PolarMask(const nn::Builder& b, PolarMaskOptions options);
  PolarOutputs forward(const Tensor& image, PolarTrace* trace = nullptr);
  void visit(nn::Visitor& v) override;

 private:
  std::unique_ptr<nn::ResNet> backbone_;
  std::unique_ptr<nn::Fpn> neck_;
  std::unique_ptr<PolarHead> head_;
};

/// What a batch should give, rows = images x locations of all levels (levels in order, row-major inside one).
struct PolarTargets {
  Tensor labels;  ///< [rows] i32, 0 background, -1 no class loss
  Tensor rays;    ///< [rows, rays] f32
  Tensor boxes;   ///< [rows, 4] f32; undefined without the box branch
  Tensor points;  ///< [locations, 2] f32, x and y of one image's locations; undefined without the box branch
};

struct PolarLossWeights {
  double classes = 1, centerness = 1, rays = 1, boxes = 1;
};

/// [loss] of a configuration.
struct PolarLossConfig {
  PolarLossWeights weights;
  double focal_alpha = 0.25, focal_gamma = 2;
};

/// Each loss [1], weighted; `boxes` is undefined without the branch.
struct PolarLosses {
  Tensor classes, centerness, rays, boxes, total;
};

/// Focal, centerness, polar IoU and box IoU losses. Normalisers are the batch's own, as the reference has them.
PolarLosses polar_losses(const PolarOutputs& outputs, const PolarTargets& targets, const PolarLossConfig& config = {});

}  // namespace az::models
