// Convolution and norm layers, and the block they form.
#pragma once

#include "nn/init.h"
#include "nn/module.h"
#include "ops/conv.h"

namespace az::nn {

/// x [n, h, w, in] -> [n, oh, ow, out]
class Conv2d final : public Module {
 public:
  struct Options {
    int64_t in = 0, out = 0;
    int64_t kernel = 3, stride = 1, padding = 1, dilation = 1, groups = 1;
    bool bias = false;
    Init init = Init::he_normal;
    double bias_value = 0;
    bool uniform_bias = false;  ///< draw the bias as PyTorch does by default, instead of bias_value
  };
  /// `name` keys the initial values.
  Conv2d(const Builder& b, const std::string& name, const Options& options);

  Tensor forward(const Tensor& x, ops::Epilogue epilogue = {}) const;
  /// Of each level, as ops::conv2d_levels.
  std::vector<Tensor> forward_levels(const std::vector<Tensor>& x, ops::Epilogue epilogue = {}) const;
  /// The same, then exp(min(scale * y, limit)) with an `exps` for each level, as ops::conv2d_levels_exp: f32.
  std::vector<Tensor> forward_levels_exp(const std::vector<Tensor>& x, const std::vector<ops::LevelExp>& exps) const;
  void visit(Visitor& v) override;

  Tensor& weight() { return weight_; }
  Tensor& bias() { return bias_; }

 private:
  ops::Epilogue with_bias(ops::Epilogue epilogue) const;

  ops::Conv2dOptions options_;
  Tensor weight_;  // [out, kernel, kernel, in / groups]
  Tensor bias_;    // [out] or undefined
};

enum class NormKind : uint8_t {
  frozen,  ///< running statistics and affine parameters as constants, folded into the convolution
  batch,   ///< the batch's statistics in training, running ones in evaluation
  group,
};

struct NormOptions {
  NormKind kind = NormKind::frozen;
  int groups = 32;        ///< of group norm
  double momentum = 0.1;  ///< weight of a new sample in running statistics
  double eps = 1e-5;
};

/// Normalisation of c channels with parameters weight and bias; batch kinds also keep running statistics.
class Norm final : public Module {
 public:
  Norm(const Builder& b, int64_t channels, const NormOptions& options, double weight_value = 1);

  /// max_pool(relu(norm(conv(x)) + residual)); where the norm is an affine map it is folded into the convolution.
  Tensor after(const Conv2d& conv, const Tensor& x, bool relu, Tensor residual = {},
               std::optional<ops::MaxPool> pool = {});
  /// relu(norm(conv(x))) of each level.
  std::vector<Tensor> after_levels(const Conv2d& conv, const std::vector<Tensor>& levels, bool relu);
  void visit(Visitor& v) override;

 private:
  void fold();

  NormOptions options_;
  Tensor weight_, bias_;                             // [c]
  Tensor running_mean_, running_var_, num_batches_;  // [c], [c], i64 scalar; undefined for group norm
  // The affine map of the current versions of the four tensors.
  Tensor scale_, shift_;
  uint64_t folded_version_ = 0;
};

}  // namespace az::nn
