// Residual backbones (He et al. 2016; Xie et al. 2017): ResNet-18/34/50/101, ResNeXt, and small ones of the same parts.
#pragma once

#include <memory>
#include <vector>

#include "nn/residual_block.h"

namespace az::nn {

enum class Block : uint8_t { basic, bottleneck };
/// Where a bottleneck's stride sits: on the first 1x1 (caffe) or on the 3x3 (pytorch).
enum class Style : uint8_t { caffe, pytorch };
enum class Stem : uint8_t {
  one_7x7,  ///< 7x7 stride 2, then a 3x3 stride 2 max-pool
  two_3x3,  ///< two 3x3 convolutions of stride 2, no pool
};

struct ResNetOptions {
  Block block = Block::bottleneck;
  std::vector<int> blocks = {3, 4, 6, 3};
  std::vector<int64_t> planes = {64, 128, 256, 512};  ///< per stage; a bottleneck's output has four times as many
  Style style = Style::pytorch;
  int64_t groups = 1, base_width = 64;
  Stem stem = Stem::one_7x7;
  std::vector<int64_t> stem_channels = {64};  ///< one for one_7x7, two for two_3x3
  NormOptions norm;
  int frozen_stages = 0;        ///< the stem and this many stages get no gradient; 0: all learn
  bool zero_last_norm = false;  ///< the last norm's weight of a block starts at 0
};

/// Blocks per stage of a published depth. Error: not 18, 34, 50 or 101.
ResNetOptions resnet_depth(int depth);

/// x [n, h, w, 3] -> C2..C5 at strides 4, 8, 16, 32 (as many as there are stages)
class ResNet final : public Module {
 public:
  ResNet(const Builder& b, const ResNetOptions& options);

  /// Stages before `first` are not kept: their entries are undefined.
  std::vector<Tensor> forward(const Tensor& x, size_t first = 0);
  void visit(Visitor& v) override;
  std::vector<int64_t> out_channels() const;

 private:
  ResNetOptions options_;
  std::vector<std::unique_ptr<Conv2d>> stem_convs_;
  std::vector<std::unique_ptr<Norm>> stem_norms_;
  std::vector<std::vector<std::unique_ptr<ResidualBlock>>> stages_;
};

}  // namespace az::nn
