#include "models/siammask/model.h"

#include "models/siammask/refine.h"
#include "ops/elementwise.h"
#include "ops/window.h"
#include "ops/xcorr.h"
#include "tensor/error.h"

namespace az::models {

using nn::Builder;
using nn::Conv2d;
using nn::Norm;

namespace {

constexpr nn::NormOptions kNorm{.kind = nn::NormKind::batch};
/// A feature narrower than this is a template's, and loses `kCut` pixels on every side: padding reached them.
constexpr int64_t kNarrow = 20, kCut = 4;

}  // namespace

/// 1x1 convolution and norm; a template's feature is cut to its middle.   [n, h, w, in] -> [n, h', w', channels]
class SiamMask::Adjust final : public nn::Module {
 public:
  Adjust(const Builder& b, int64_t in, int64_t channels)
      : conv_(b, "features.downsample.downsample.0",
              Conv2d::Options{.in = in, .out = channels, .kernel = 1, .padding = 0, .init = nn::Init::uniform}),
        norm_(b, channels, kNorm) {}
  Tensor forward(const Tensor& x) {
    const Tensor y = norm_.after(conv_, x, false);
    if (y.dim(2) >= kNarrow) return y;
    return ops::crop(y, kCut, kCut, y.dim(1) - 2 * kCut, y.dim(2) - 2 * kCut);
  }
  void visit(nn::Visitor& v) override {
    v.module("downsample.0", conv_);
    v.module("downsample.1", norm_);
  }

 private:
  Conv2d conv_;
  Norm norm_;
};

/// Template and search side, their correlation, and two 1x1 convolutions on it.
class SiamMask::Head final : public nn::Module {
 public:
  Head(const Builder& b, const std::string& name, int64_t channels, int64_t out)
      : kernel_conv_(b, name + ".conv_kernel.0",
                     Conv2d::Options{.in = channels, .out = channels, .padding = 0, .init = nn::Init::uniform}),
        search_conv_(b, name + ".conv_search.0",
                     Conv2d::Options{.in = channels, .out = channels, .padding = 0, .init = nn::Init::uniform}),
        head_conv_(
            b, name + ".head.0",
            Conv2d::Options{.in = channels, .out = channels, .kernel = 1, .padding = 0, .init = nn::Init::uniform}),
        last_(b, name + ".head.3",
              Conv2d::Options{.in = channels,
                              .out = out,
                              .kernel = 1,
                              .padding = 0,
                              .bias = true,
                              .init = nn::Init::uniform,
                              .uniform_bias = true}),
        kernel_norm_(b, channels, kNorm),
        search_norm_(b, channels, kNorm),
        head_norm_(b, channels, kNorm) {}
  Tensor kernel(const Tensor& z) { return kernel_norm_.after(kernel_conv_, z, true); }
  Tensor correlate(const Tensor& x, const Tensor& kernel) {
    return ops::xcorr_depthwise(search_norm_.after(search_conv_, x, true), kernel);
  }
  Tensor hidden(const Tensor& correlation) { return head_norm_.after(head_conv_, correlation, true); }
  Tensor last(const Tensor& hidden) { return last_.forward(hidden); }
  Tensor output(const Tensor& correlation) { return last(hidden(correlation)); }
  void visit(nn::Visitor& v) override {
    v.module("conv_kernel.0", kernel_conv_);
    v.module("conv_kernel.1", kernel_norm_);
    v.module("conv_search.0", search_conv_);
    v.module("conv_search.1", search_norm_);
    v.module("head.0", head_conv_);
    v.module("head.1", head_norm_);
    v.module("head.3", last_);
  }

 private:
  Conv2d kernel_conv_, search_conv_, head_conv_, last_;
  Norm kernel_norm_, search_norm_, head_norm_;
};

SiamMask::SiamMask(const Builder& b, const SiamMaskOptions& o)
    : options_(o), backbone_(std::make_unique<nn::SiameseResNet>(b, o.backbone)) {
  AZ_CHECK(o.backbone.blocks.size() == 3, "siammask: a backbone of {} stages, want 3", o.backbone.blocks.size());
  AZ_CHECK(o.anchors >= 1 && o.mask_side >= 0, "siammask: {} anchors and masks of side {}", o.anchors, o.mask_side);
  AZ_CHECK(!o.refine || o.mask_side > 0, "siammask: Refine needs the mask head, whose side is 0");
  adjust_ = std::make_unique<Adjust>(b, backbone_->out_channels(2), o.channels);
  class_head_ = std::make_unique<Head>(b, "rpn_model.cls", o.channels, 2 * o.anchors);
  box_head_ = std::make_unique<Head>(b, "rpn_model.loc", o.channels, 4 * o.anchors);
  if (o.mask_side > 0) mask_head_ = std::make_unique<Head>(b, "mask_model.mask", o.channels, o.mask_side * o.mask_side);
  if (o.refine) refine_ = std::make_unique<SiamRefine>(b, o.backbone.width, o.channels);
}

SiamMask::~SiamMask() = default;

Tensor SiamMask::features(const Tensor& image, std::vector<Tensor>& stages) {
  AZ_CHECK(image.defined() && image.rank() == 4 && image.dim(3) == 3, "siammask: image is {}, want [n, h, w, 3]",
           image.str());
  stages = backbone_->forward(image);
  return adjust_->forward(stages[3]);
}

SiamTemplate SiamMask::make_template(const Tensor& z, SiamTrace* trace) {
  std::vector<Tensor> stages;
  const Tensor feature = features(z, stages);
  if (trace) *trace = {stages, feature};
  return {class_head_->kernel(feature), box_head_->kernel(feature),
          mask_head_ ? mask_head_->kernel(feature) : Tensor()};
}

SiamSearch SiamMask::search(const Tensor& x, const SiamTemplate& kernels, SiamTrace* trace) {
  std::vector<Tensor> stages;
  const Tensor feature = features(x, stages);
  if (trace) *trace = {stages, feature};
  SiamSearch found;
  found.classes = class_head_->output(class_head_->correlate(feature, kernels.classes));
  found.boxes = box_head_->output(box_head_->correlate(feature, kernels.boxes));
  if (mask_head_) found.correlation = mask_head_->correlate(feature, kernels.masks);
  if (refine_) found.early = {stages[0], stages[1], stages[2]};
  return found;
}

Tensor SiamMask::masks(const SiamSearch& found) {
  AZ_CHECK(mask_head_ && found.correlation.defined(), "siammask: this network has no mask head");
  return mask_head_->output(found.correlation);
}

Tensor SiamMask::masks_of(const SiamSearch& found, const Tensor& cells) {
  AZ_CHECK(mask_head_ && found.correlation.defined(), "siammask: this network has no mask head");
  const Tensor masks = mask_head_->last(ops::windows(mask_head_->hidden(found.correlation), cells, 1, 1));
  return ops::reshape(masks, {cells.dim(0), options_.mask_side, options_.mask_side, 1});
}

Tensor SiamMask::refine(const SiamSearch& found, const Tensor& cells, bool padded) {
  AZ_CHECK(refine_ && found.early.size() == 3, "siammask: this network has no Refine module");
  return refine_->forward(found.early, found.correlation, cells, padded);
}

void SiamMask::visit(nn::Visitor& v) {
  v.module("features.features", *backbone_);
  v.module("features.downsample", *adjust_);
  v.module("rpn_model.cls", *class_head_);
  v.module("rpn_model.loc", *box_head_);
  if (mask_head_) v.module("mask_model.mask", *mask_head_);
  if (refine_) v.module("refine_model", *refine_);
}

}  // namespace az::models
