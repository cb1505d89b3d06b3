#include "nn/siamese_resnet.h"

#include "ops/pool.h"
#include "tensor/error.h"

namespace az::nn {
namespace {

/// A convolution's geometry; `dilation` 1 with stride 2 has no padding.
struct Geometry {
  int64_t stride = 1, padding = 1, dilation = 1;
};

/// The first block of stage `s` (from 0): 3x3 and shortcut. Stage 1 strides; from stage 2 on half the stage's dilation.
Geometry first_block(size_t s) {
  if (s == 1) return {.stride = 2, .padding = 0};
  const int64_t dilation = s < 3 ? 1 : 2;
  return {.padding = dilation, .dilation = dilation};
}

/// The other blocks' 3x3.
Geometry later_block(size_t s) {
  const int64_t dilation = s < 2 ? 1 : s == 2 ? 2 : 4;
  return {.padding = dilation, .dilation = dilation};
}

/// 1x1, 3x3, 1x1, to four times the planes; the first block of a stage has a shortcut.
ResidualBlock::Options block_options(const NormOptions& norm, size_t stage, bool first, int64_t in, int64_t planes) {
  const Geometry g = first ? first_block(stage) : later_block(stage);
  ResidualBlock::Options block{.body = {}, .shortcut = {}, .norm = norm};
  block.body = {{.in = in, .out = planes, .kernel = 1, .padding = 0},
                {.in = planes, .out = planes, .stride = g.stride, .padding = g.padding, .dilation = g.dilation},
                {.in = planes, .out = 4 * planes, .kernel = 1, .padding = 0}};
  if (!first) return block;
  block.shortcut =
      Conv2d::Options{.in = in, .out = 4 * planes, .stride = g.stride, .padding = g.padding, .dilation = g.dilation};
  if (stage == 0) block.shortcut->kernel = 1, block.shortcut->padding = 0;
  return block;
}

}  // namespace

SiameseResNet::SiameseResNet(const Builder& b, const SiameseResNetOptions& o)
    : options_(o),
      stem_(std::make_unique<Conv2d>(b, "conv1",
                                     Conv2d::Options{.in = 3, .out = o.width, .kernel = 7, .stride = 2, .padding = 0})),
      stem_norm_(std::make_unique<Norm>(b, o.width, o.norm)) {
  AZ_CHECK(o.blocks.size() == 3 || o.blocks.size() == 4, "siamese resnet: {} stages, want 3 or 4", o.blocks.size());
  int64_t in = o.width;
  for (size_t s = 0; s < o.blocks.size(); ++s) {
    auto& stage = stages_.emplace_back();
    for (int i = 0; i < o.blocks[s]; ++i) {
      const std::string name = "layer" + std::to_string(s + 1) + "." + std::to_string(i);
      stage.push_back(std::make_unique<ResidualBlock>(b, name, block_options(o.norm, s, i == 0, in, o.width << s)));
      in = out_channels(s);
    }
  }
}

std::vector<Tensor> SiameseResNet::forward(const Tensor& image) {
  std::vector<Tensor> out = {stem_norm_->after(*stem_, image, true)};
  Tensor x = ops::max_pool(out[0], {3, 2, 1});
  for (auto& stage : stages_) {
    for (auto& block : stage) x = block->forward(std::move(x));
    out.push_back(x);
  }
  return out;
}

void SiameseResNet::visit(Visitor& v) {
  v.module("conv1", *stem_);
  v.module("bn1", *stem_norm_);
  for (size_t s = 0; s < stages_.size(); ++s)
    for (size_t i = 0; i < stages_[s].size(); ++i)
      v.module("layer" + std::to_string(s + 1) + "." + std::to_string(i), *stages_[s][i]);
}

std::vector<Module*> SiameseResNet::stage(size_t layer) {
  AZ_CHECK(layer >= 1 && layer <= stages_.size(), "siamese resnet: no layer{} among {}", layer, stages_.size());
  std::vector<Module*> blocks;
  for (const auto& block : stages_[layer - 1]) blocks.push_back(block.get());
  return blocks;
}

}  // namespace az::nn
