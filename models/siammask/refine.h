// SiamMask's Refine module: a 127x127 mask of one cell from its correlation vector and the early features around it
// (SiamMask, appendix; specs/siammask.md section 5).
#pragma once

#include <memory>
#include <vector>

#include "nn/layers.h"

namespace az::models {

class SiamRefine final : public nn::Module {
 public:
  /// `width`: channels of p0 (p1 has four times, p2 eight times as many); `channels`: of the correlation.
  SiamRefine(const nn::Builder& b, int64_t width, int64_t channels);
  ~SiamRefine() override;

  /// early        p0, p1, p2 [n, .., .., ..]
  /// correlation  [n, s, s, channels]
  /// cells        [m, 3] i32: image, row, column
  /// padded       the windows begin 4 cells before the cell, beyond the maps' edges too; else at the cell
  /// returns      [m, 127, 127, 1] logits
  Tensor forward(const std::vector<Tensor>& early, const Tensor& correlation, const Tensor& cells, bool padded);
  void visit(nn::Visitor& v) override;

 private:
  class Pair;
  std::unique_ptr<Pair> v0_, v1_, v2_, h0_, h1_, h2_;
  std::unique_ptr<nn::Conv2d> post0_, post1_, post2_;
  Tensor deconv_weight_;  // [channels, 15, 15, 32], PyTorch's (in, out, 15, 15)
  Tensor deconv_bias_;    // [32]
};

}  // namespace az::models
