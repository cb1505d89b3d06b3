#include "nn/residual_block.h"

#include "tensor/error.h"

namespace az::nn {

ResidualBlock::ResidualBlock(const Builder& b, const std::string& name, const Options& o) {
  AZ_CHECK(!o.body.empty(), "residual block {}: no convolution in its body", name);
  for (size_t i = 0; i < o.body.size(); ++i) {
    const bool zero = o.zero_last_norm && i + 1 == o.body.size();
    convs_.push_back(std::make_unique<Conv2d>(b, name + ".conv" + std::to_string(i + 1), o.body[i]));
    norms_.push_back(std::make_unique<Norm>(b, o.body[i].out, o.norm, zero ? 0 : 1));
  }
  if (!o.shortcut) return;
  shortcut_conv_ = std::make_unique<Conv2d>(b, name + ".downsample.0", *o.shortcut);
  shortcut_norm_ = std::make_unique<Norm>(b, o.shortcut->out, o.norm);
}

/// The residual is moved into the last convolution, which writes over it where nobody else holds it.
Tensor ResidualBlock::forward(Tensor x) {
  Tensor residual = shortcut_conv_ ? shortcut_norm_->after(*shortcut_conv_, x, false) : x;
  Tensor y = std::move(x);
  for (size_t i = 0; i < convs_.size(); ++i)
    y = norms_[i]->after(*convs_[i], y, true, i + 1 == convs_.size() ? std::move(residual) : Tensor());
  return y;
}

void ResidualBlock::visit(Visitor& v) {
  for (size_t i = 0; i < convs_.size(); ++i) {
    v.module("conv" + std::to_string(i + 1), *convs_[i]);
    v.module("bn" + std::to_string(i + 1), *norms_[i]);
  }
  if (!shortcut_conv_) return;
  v.module("downsample.0", *shortcut_conv_);
  v.module("downsample.1", *shortcut_norm_);
}

}  // namespace az::nn
