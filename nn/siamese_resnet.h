// The dilated ResNet-50 of SiamRPN++ and SiamMask (foolwood/SiamMask, models/resnet: resnet.py; STVIR/pysot
// resnet_atrous.py): stride 8 from the second stage on, and no padding where it strides.
#pragma once

#include <memory>
#include <vector>

#include "nn/residual_block.h"

namespace az::nn {

struct SiameseResNetOptions {
  std::vector<int> blocks = {3, 4, 6};  ///< three stages, or four with SiamRPN++'s last
  int64_t width = 64;                   ///< planes of the first stage; the stem's channels
  NormOptions norm{.kind = NormKind::batch};
};

/// x [n, h, w, 3] -> {p0, p1, ..}: the stem's map before its pool at stride 2, and the stages' at strides 4, 8, 8, 8.
/// Parameter names are the references' (conv1, bn1, layer1.0.conv1, ..).
class SiameseResNet final : public Module {
 public:
  SiameseResNet(const Builder& b, const SiameseResNetOptions& options);

  std::vector<Tensor> forward(const Tensor& x);
  void visit(Visitor& v) override;
  int64_t out_channels(size_t stage) const { return 4 * (options_.width << stage); }
  /// Stage `layer` of 1.., for what freezes and unfreezes it.
  std::vector<Module*> stage(size_t layer);
  std::vector<Module*> stem() { return {stem_.get(), stem_norm_.get()}; }

 private:
  SiameseResNetOptions options_;
  std::unique_ptr<Conv2d> stem_;
  std::unique_ptr<Norm> stem_norm_;
  std::vector<std::vector<std::unique_ptr<ResidualBlock>>> stages_;
};

}  // namespace az::nn
