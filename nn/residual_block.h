// The block that all residual backbones are made of.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "nn/layers.h"

namespace az::nn {

/// y = relu(body(x) + shortcut(x)): convolutions, each with norm and (but the last) ReLU, and at most one convolution
/// with norm beside them (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, figure 5).
/// Parameters are named as torchvision's: conv1, bn1, .., downsample.0, downsample.1.
class ResidualBlock final : public Module {
 public:
  struct Options {
    std::vector<Conv2d::Options> body;
    std::optional<Conv2d::Options> shortcut;  ///< none: x itself
    NormOptions norm;
    bool zero_last_norm = false;  ///< the weight of the body's last norm starts at 0
  };
  /// `name` keys the initial values. Error: a body without a convolution.
  ResidualBlock(const Builder& b, const std::string& name, const Options& options);

  /// x [n, h, w, c]
  Tensor forward(Tensor x);
  void visit(Visitor& v) override;

 private:
  std::vector<std::unique_ptr<Conv2d>> convs_;
  std::vector<std::unique_ptr<Norm>> norms_;
  std::unique_ptr<Conv2d> shortcut_conv_;
  std::unique_ptr<Norm> shortcut_norm_;
};

}  // namespace az::nn
