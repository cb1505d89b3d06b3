// SiamMask's networks: a Siamese backbone, depthwise-correlation heads, and the Refine module.
// Source: Wang et al., "Fast Online Object Tracking and Segmentation", CVPR 2019; foolwood/SiamMask
// experiments/siammask_sharp/custom.py; STVIR/pysot for what it adds (specs/siammask.md sections 2 to 5 and 16).
#pragma once

#include <memory>
#include <vector>

#include "nn/siamese_resnet.h"

namespace az::models {

class SiamRefine;

struct SiamMaskOptions {
  nn::SiameseResNetOptions backbone;
  int64_t channels = 256;  ///< of the adjusted features and the heads
  int64_t anchors = 5;
  int64_t mask_side = 63;  ///< of the mask head's masks; 0: no mask head (the box variant)
  bool refine = true;      ///< the sharp variant's 127x127 masks
};

/// What a template gives each head: the kernels of its correlation.   all [n, 5, 5, channels] for a crop of 127
struct SiamTemplate {
  Tensor classes, boxes, masks;  ///< `masks` undefined without a mask head
};

/// What a search crop gives; a map of 25x25 cells for a crop of 255.
struct SiamSearch {
  Tensor classes;             ///< [n, s, s, 2 anchors] logits: background of the anchors, then foreground
  Tensor boxes;               ///< [n, s, s, 4 anchors]: dx of the anchors, then dy, dw, dh
  Tensor correlation;         ///< [n, s, s, channels] of the mask head; undefined without it
  std::vector<Tensor> early;  ///< p0, p1, p2: what Refine looks at
};

/// What forward computed on the way, for tests that compare every stage.
struct SiamTrace {
  std::vector<Tensor> stages;  ///< p0..p3
  Tensor adjusted;             ///< [n, h, w, channels]
};

class SiamMask final : public nn::Module {
 public:
  SiamMask(const nn::Builder& b, const SiamMaskOptions& options);
  ~SiamMask() override;

  /// z [n, 127, 127, 3], BGR in 0..255, not normalised. Once a sequence.
  SiamTemplate make_template(const Tensor& z, SiamTrace* trace = nullptr);
  /// x [n, 255, 255, 3]; the template's n is x's, or 1 for all.
  SiamSearch search(const Tensor& x, const SiamTemplate& kernels, SiamTrace* trace = nullptr);
  /// The mask head's masks of every cell: [n, s, s, mask_side^2] logits, row-major. Error: no mask head.
  Tensor masks(const SiamSearch& found);
  /// Those of single cells [m, 3] i32 (image, row, column): [m, mask_side, mask_side, 1]. Only their 1x1 convolution is
  /// computed.
  Tensor masks_of(const SiamSearch& found, const Tensor& cells);
  /// Refine's masks of single cells: [m, 127, 127, 1] logits. Error: built without Refine.
  ///   cells [m, 3] i32 (image, row, column); `padded`: the maps are padded by 4 cells, as for a crop of 255; training
  ///   with crops of 143 has no padding
  Tensor refine(const SiamSearch& found, const Tensor& cells, bool padded);

  void visit(nn::Visitor& v) override;
  const SiamMaskOptions& options() const { return options_; }
  nn::SiameseResNet& backbone() { return *backbone_; }

 private:
  class Adjust;
  class Head;
  Tensor features(const Tensor& image, std::vector<Tensor>& stages);

  SiamMaskOptions options_;
  std::unique_ptr<nn::SiameseResNet> backbone_;
  std::unique_ptr<Adjust> adjust_;
  std::unique_ptr<Head> class_head_, box_head_, mask_head_;
  std::unique_ptr<SiamRefine> refine_;
};

}  // namespace az::models
