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

namespace {

/// Two 3x3 convolutions, or 1x1, 3x3, 1x1; a shortcut of 1x1 where the size or the channels change.
ResidualBlock::Options block_options(const ResNetOptions& o, int64_t in, int64_t planes, int64_t stride) {
  ResidualBlock::Options block{.body = {}, .shortcut = {}, .norm = o.norm, .zero_last_norm = o.zero_last_norm};
  int64_t out = planes;
  if (o.block == Block::bottleneck) {
    out = 4 * planes;
    const int64_t width = o.groups == 1 ? planes : planes * o.base_width / 64 * o.groups;
    const int64_t first = o.style == Style::caffe ? stride : 1;
    block.body = {{.in = in, .out = width, .kernel = 1, .stride = first, .padding = 0},
                  {.in = width, .out = width, .stride = stride / first, .groups = o.groups},
                  {.in = width, .out = out, .kernel = 1, .padding = 0}};
  } else {
    block.body = {{.in = in, .out = out, .stride = stride}, {.in = out, .out = out}};
  }
  if (stride != 1 || in != out)
    block.shortcut = Conv2d::Options{.in = in, .out = out, .kernel = 1, .stride = stride, .padding = 0};
  return block;
}

}  // namespace

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
      stage.push_back(
          std::make_unique<ResidualBlock>(b, name, block_options(o, in, o.planes[s], s > 0 && i == 0 ? 2 : 1)));
      in = o.block == Block::bottleneck ? 4 * o.planes[s] : o.planes[s];
    }
  }
  if (o.frozen_stages == 0) return;
  for (auto& conv : stem_convs_) freeze(*conv);
  for (auto& norm : stem_norms_) freeze(*norm);
  for (size_t s = 0; s < std::min<size_t>(stages_.size(), static_cast<size_t>(o.frozen_stages)); ++s)
    for (auto& block : stages_[s]) freeze(*block);
}

std::vector<Tensor> ResNet::forward(const Tensor& image, size_t first) {
  Tensor x = image;
  const auto pool = options_.stem == Stem::one_7x7 ? std::optional<ops::MaxPool>({3, 2, 1}) : std::nullopt;
  for (size_t i = 0; i < stem_convs_.size(); ++i) x = stem_norms_[i]->after(*stem_convs_[i], x, true, {}, pool);
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
