#include "models/siammask/refine.h"

#include "autograd/node.h"
#include "ops/bias.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/resize.h"
#include "ops/window.h"
#include "tensor/error.h"

namespace az::models {

using nn::Builder;
using nn::Conv2d;

namespace {

constexpr int64_t kSeed = 15, kSeedChannels = 32;  // the deconvolution's output
constexpr int32_t kPadding = 4;                    // cells

/// Its few channels are computed in f32 whatever the backbone's activations are.
Tensor widened(const Tensor& x) { return is_half(x.dtype()) ? ops::cast(x, DType::f32) : x; }

std::unique_ptr<Conv2d> make_conv(const Builder& b, const std::string& name, int64_t in, int64_t out) {
  return std::make_unique<Conv2d>(
      b, "refine_model." + name,
      Conv2d::Options{.in = in, .out = out, .bias = true, .init = nn::Init::lecun_uniform, .uniform_bias = true});
}

}  // namespace

/// Two 3x3 convolutions, each with ReLU.
class SiamRefine::Pair final : public nn::Module {
 public:
  Pair(const Builder& b, const std::string& name, int64_t in, int64_t middle, int64_t out)
      : first_(make_conv(b, name + ".0", in, middle)), second_(make_conv(b, name + ".2", middle, out)) {}
  Tensor forward(const Tensor& x) const { return second_->forward(first_->forward(x, {.relu = true}), {.relu = true}); }
  void visit(nn::Visitor& v) override {
    v.module("0", *first_);
    v.module("2", *second_);
  }

 private:
  std::unique_ptr<Conv2d> first_, second_;
};

SiamRefine::SiamRefine(const Builder& b, int64_t width, int64_t channels)
    : v0_(std::make_unique<Pair>(b, "v0", width, 16, 4)),
      v1_(std::make_unique<Pair>(b, "v1", 4 * width, 64, 16)),
      v2_(std::make_unique<Pair>(b, "v2", 8 * width, 128, 32)),
      h0_(std::make_unique<Pair>(b, "h0", 4, 4, 4)),
      h1_(std::make_unique<Pair>(b, "h1", 16, 16, 16)),
      h2_(std::make_unique<Pair>(b, "h2", 32, 32, 32)),
      post0_(make_conv(b, "post0", 32, 16)),
      post1_(make_conv(b, "post1", 16, 4)),
      post2_(make_conv(b, "post2", 4, 1)),
      deconv_weight_(nn::init_conv(b, "refine_model.deconv", nn::Init::uniform, channels, kSeed, kSeedChannels, 1)),
      deconv_bias_(nn::init_bias(b, "refine_model.deconv.bias", kSeedChannels, kSeedChannels * kSeed * kSeed)) {
  autograd::set_requires_grad(deconv_weight_, true);
  autograd::set_requires_grad(deconv_bias_, true);
}

SiamRefine::~SiamRefine() = default;

Tensor SiamRefine::forward(const std::vector<Tensor>& early, const Tensor& correlation, const Tensor& cells,
                           bool padded) {
  const int64_t m = cells.dim(0), channels = correlation.dim(3);
  const int32_t pad = padded ? kPadding : 0;
  const auto around = [&](size_t level, int32_t stride, int64_t side) {
    return widened(ops::windows(early[level], cells, side, side, {.stride = stride, .offset = -pad * stride}));
  };
  const Tensor r = ops::reshape(widened(ops::windows(correlation, cells, 1, 1)), {m, channels});
  const Tensor seeds = ops::matmul(r, ops::reshape(deconv_weight_, {channels, kSeed * kSeed * kSeedChannels}));
  Tensor o = ops::add_bias(ops::reshape(seeds, {m, kSeed, kSeed, kSeedChannels}), deconv_bias_);
  o = ops::add(h2_->forward(o), v2_->forward(around(2, 1, 15)));
  o = post0_->forward(ops::resize_nearest(o, 31, 31));
  o = ops::add(h1_->forward(o), v1_->forward(around(1, 2, 31)));
  o = post1_->forward(ops::resize_nearest(o, 61, 61));
  o = ops::add(h0_->forward(o), v0_->forward(around(0, 4, 61)));
  return post2_->forward(ops::resize_nearest(o, 127, 127));
}

void SiamRefine::visit(nn::Visitor& v) {
  const std::pair<const char*, Pair*> pairs[] = {{"v0", v0_.get()}, {"v1", v1_.get()}, {"v2", v2_.get()},
                                                 {"h2", h2_.get()}, {"h1", h1_.get()}, {"h0", h0_.get()}};
  for (const auto& [name, pair] : pairs) v.module(name, *pair);
  v.parameter("deconv.weight", deconv_weight_);
  v.parameter("deconv.bias", deconv_bias_);
  v.module("post0", *post0_);
  v.module("post1", *post1_);
  v.module("post2", *post2_);
}

}  // namespace az::models
