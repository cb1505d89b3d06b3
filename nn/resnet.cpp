#include "nn/resnet.h"

#include "ops/pool.h"
#include "tensor/error.h"

namespace az::nn {

ResNetOptions resnet_depth(int depth) {
  ResNetOptions o;
  switch (depth) {
    case 18: o.block = Block::basic, o.blocks = {2, 2, 2, 2}; break;
    case 34: o.block = Block::basic, o.blocks = {3, 4, 6, 3}; break;
    case 50: o.blocks = {3, 4, 6, 3}; break;
    case 101: o.blocks = {3, 4, 23, 3}; break;
    default: fail("resnet: depth {}, want 18, 34, 50 or 101", depth);
  }
  return o;
}

/// relu(body(x) + shortcut(x)); the body is two 3x3 convolutions or 1x1, 3x3, 1x1.
class ResNet::ResidualBlock final : public Module {
 public:
  ResidualBlock(const Builder& b, const std::string& name, const ResNetOptions& o, int64_t in, int64_t planes,
                int64_t stride) {
    const bool bottleneck = o.block == Block::bottleneck;
    const int64_t out = bottleneck ? 4 * planes : planes;
    if (bottleneck) {
      const int64_t width = o.groups == 1 ? planes : planes * o.base_width / 64 * o.groups;
      const int64_t first = o.style == Style::caffe ? stride : 1;
      add(b, name, o, {.in = in, .out = width, .kernel = 1, .stride = first, .padding = 0});
      add(b, name, o,
          {.in = width, .out = width, .kernel = 3, .stride = stride / first, .padding = 1, .groups = o.groups});
      add(b, name, o, {.in = width, .out = out, .kernel = 1, .padding = 0}, o.zero_last_norm);
    } else {
      add(b, name, o, {.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1});
      add(b, name, o, {.in = out, .out = out, .kernel = 3, .padding = 1}, o.zero_last_norm);
    }
    if (stride != 1 || in != out) {
      shortcut_conv_ =
          std::make_unique<Conv2d>(b, name + ".downsample.0",
                                   Conv2d::Options{.in = in, .out = out, .kernel = 1, .stride = stride, .padding = 0});
      shortcut_norm_ = std::make_unique<Norm>(b, out, o.norm);
    }
  }

  /// The residual is moved into the last convolution, which writes over it where nobody else holds it.
  Tensor forward(Tensor x) {
    Tensor residual = shortcut_conv_ ? shortcut_norm_->after(*shortcut_conv_, x, false) : x;
    Tensor y = std::move(x);
    for (size_t i = 0; i < convs_.size(); ++i)
      y = norms_[i]->after(*convs_[i], y, true, i + 1 == convs_.size() ? std::move(residual) : Tensor());
    return y;
  }

  void visit(Visitor& v) override {
    for (size_t i = 0; i < convs_.size(); ++i) {
      v.module("conv" + std::to_string(i + 1), *convs_[i]);
      v.module("bn" + std::to_string(i + 1), *norms_[i]);
    }
    if (!shortcut_conv_) return;
    v.module("downsample.0", *shortcut_conv_);
    v.module("downsample.1", *shortcut_norm_);
  }

 private:
  void add(const Builder& b, const std::string& name, const ResNetOptions& o, const Conv2d::Options& conv,
           bool zero_norm = false) {
    convs_.push_back(std::make_unique<Conv2d>(b, name + ".conv" + std::to_string(convs_.size() + 1), conv));
    norms_.push_back(std::make_unique<Norm>(b, conv.out, o.norm, zero_norm ? 0 : 1));
  }

  std::vector<std::unique_ptr<Conv2d>> convs_;
  std::vector<std::unique_ptr<Norm>> norms_;
  std::unique_ptr<Conv2d> shortcut_conv_;
  std::unique_ptr<Norm> shortcut_norm_;
};

ResNet::ResNet(const Builder& b, const ResNetOptions& o) : options_(o) {
  AZ_CHECK(!o.blocks.empty() && o.planes.size() == o.blocks.size(), "resnet: {} stages of blocks, {} of planes",
           o.blocks.size(), o.planes.size());
  const size_t stem_convs = o.stem == Stem::one_7x7 ? 1 : 2;
  AZ_CHECK(o.stem_channels.size() == stem_convs, "resnet: the stem has {} convolutions, {} channel counts are given",
           stem_convs, o.stem_channels.size());
  int64_t in = 3;
  for (size_t i = 0; i < stem_convs; ++i) {
    const int64_t kernel = o.stem == Stem::one_7x7 ? 7 : 3;
    stem_convs_.push_back(std::make_unique<Conv2d>(
        b, "conv" + std::to_string(i + 1),
        Conv2d::Options{.in = in, .out = o.stem_channels[i], .kernel = kernel, .stride = 2, .padding = kernel / 2}));
    stem_norms_.push_back(std::make_unique<Norm>(b, o.stem_channels[i], o.norm));
    in = o.stem_channels[i];
  }
  for (size_t s = 0; s < o.blocks.size(); ++s) {
    auto& stage = stages_.emplace_back();
    for (int i = 0; i < o.blocks[s]; ++i) {
      const std::string name = "layer" + std::to_string(s + 1) + "." + std::to_string(i);
      stage.push_back(std::make_unique<ResidualBlock>(b, name, o, in, o.planes[s], s > 0 && i == 0 ? 2 : 1));
      in = o.block == Block::bottleneck ? 4 * o.planes[s] : o.planes[s];
    }
  }
  if (o.frozen_stages == 0) return;
  for (auto& conv : stem_convs_) freeze(*conv);
  for (auto& norm : stem_norms_) freeze(*norm);
  for (size_t s = 0; s < std::min<size_t>(stages_.size(), static_cast<size_t>(o.frozen_stages)); ++s)
    for (auto& block : stages_[s]) freeze(*block);
}

ResNet::~ResNet() = default;

std::vector<Tensor> ResNet::forward(const Tensor& image, size_t first) {
  Tensor x = image;
  for (size_t i = 0; i < stem_convs_.size(); ++i) x = stem_norms_[i]->after(*stem_convs_[i], x, true);
  if (options_.stem == Stem::one_7x7) x = ops::max_pool(x, 3, 2, 1);
  std::vector<Tensor> out;
  for (auto& stage : stages_) {
    for (auto& block : stage) x = block->forward(std::move(x));
    out.push_back(out.size() < first ? Tensor() : x);
  }
  return out;
}

void ResNet::visit(Visitor& v) {
  for (size_t i = 0; i < stem_convs_.size(); ++i) {
    v.module("conv" + std::to_string(i + 1), *stem_convs_[i]);
    v.module("bn" + std::to_string(i + 1), *stem_norms_[i]);
  }
  for (size_t s = 0; s < stages_.size(); ++s)
    for (size_t i = 0; i < stages_[s].size(); ++i)
      v.module("layer" + std::to_string(s + 1) + "." + std::to_string(i), *stages_[s][i]);
}

std::vector<int64_t> ResNet::out_channels() const {
  std::vector<int64_t> channels;
  for (const int64_t p : options_.planes) channels.push_back(options_.block == Block::bottleneck ? 4 * p : p);
  return channels;
}

}  // namespace az::nn
