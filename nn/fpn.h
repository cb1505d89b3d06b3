// Feature pyramid (Lin et al. 2017) as mmdetection 1.x has it.
#pragma once

#include <memory>
#include <vector>

#include "nn/layers.h"

namespace az::nn {

struct FpnOptions {
  std::vector<int64_t> in_channels;  ///< of all backbone stages
  int64_t channels = 256;
  int start_level = 1;  ///< the first stage used: 1 starts at C3
  int levels = 5;       ///< outputs; those past the backbone's come from stride 2 convolutions on the last output
};

/// C2..C5 -> P3..P7, [n, h, w, channels] each. The second extra level and later ones take ReLU of the level before.
/// Error: neighbouring stages whose sizes differ by another factor than 2 (sides that 32 does not divide).
class Fpn final : public Module {
 public:
  Fpn(const Builder& b, const FpnOptions& options);
  /// Stages before start_level are not read. The others are let go after their last use.
  std::vector<Tensor> forward(std::vector<Tensor> stages) const;
  void visit(Visitor& v) override;
  size_t start_level() const { return start_; }

 private:
  size_t start_;
  std::vector<std::unique_ptr<Conv2d>> laterals_, outputs_;
};

}  // namespace az::nn
