#include "nn/layers.h"

#include "autograd/node.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "tensor/error.h"

namespace az::nn {
namespace {

Tensor leaf(const Shape& shape, double value, Device& device) {
  Tensor t = Tensor::full(shape, value, DType::f32, device);
  autograd::set_requires_grad(t, true);
  return t;
}

}  // namespace

Conv2d::Conv2d(const Builder& b, const std::string& name, const Options& o)
    : options_{.stride = o.stride, .padding = o.padding, .dilation = o.dilation, .groups = o.groups},
      weight_(init_conv(b, name, o.init, o.out, o.kernel, o.in, o.groups)) {
  autograd::set_requires_grad(weight_, true);
  if (!o.bias) return;
  bias_ = o.uniform_bias ? init_bias(b, name + ".bias", o.out, o.kernel * o.kernel * o.in / o.groups)
                         : Tensor::full({o.out}, o.bias_value, DType::f32, b.device);
  autograd::set_requires_grad(bias_, true);
}

ops::Epilogue Conv2d::with_bias(ops::Epilogue epilogue) const {
  if (bias_.defined()) {
    AZ_CHECK(!epilogue.bias.defined(), "conv2d: a bias of its own and one from outside");
    epilogue.bias = bias_;
  }
  return epilogue;
}

Tensor Conv2d::forward(const Tensor& x, ops::Epilogue epilogue) const {
  return ops::conv2d(x, weight_, options_, with_bias(std::move(epilogue)));
}

std::vector<Tensor> Conv2d::forward_levels(const std::vector<Tensor>& x, ops::Epilogue epilogue) const {
  return ops::conv2d_levels(x, weight_, options_, with_bias(std::move(epilogue)));
}

std::vector<Tensor> Conv2d::forward_levels_exp(const std::vector<Tensor>& x,
                                               const std::vector<ops::LevelExp>& exps) const {
  return ops::conv2d_levels_exp(x, weight_, options_, with_bias({}), exps);
}

void Conv2d::visit(Visitor& v) {
  v.parameter("weight", weight_);
  if (bias_.defined()) v.parameter("bias", bias_);
}

Norm::Norm(const Builder& b, int64_t channels, const NormOptions& options, double weight_value)
    : options_(options), weight_(leaf({channels}, weight_value, b.device)), bias_(leaf({channels}, 0, b.device)) {
  if (options.kind == NormKind::group) return;
  running_mean_ = Tensor::zeros({channels}, DType::f32, b.device);
  running_var_ = Tensor::full({channels}, 1, DType::f32, b.device);
  num_batches_ = Tensor::zeros(Shape{}, DType::i64, b.device);
  if (options.kind == NormKind::frozen) freeze(*this);
}

void Norm::visit(Visitor& v) {
  v.parameter("weight", weight_);
  v.parameter("bias", bias_);
  if (options_.kind == NormKind::group) return;
  v.buffer("running_mean", running_mean_);
  v.buffer("running_var", running_var_);
  v.buffer("num_batches_tracked", num_batches_);
}

void Norm::fold() {
  // Versions only grow, so their sum tells whether any of the four changed.
  const uint64_t version = weight_.version() + bias_.version() + running_mean_.version() + running_var_.version();
  if (scale_.defined() && version == folded_version_) return;
  const auto folded = ops::fold_norm(weight_, bias_, running_mean_, running_var_, options_.eps);
  scale_ = folded.scale;
  shift_ = folded.shift;
  folded_version_ = version;
}

std::vector<Tensor> Norm::after_levels(const Conv2d& conv, const std::vector<Tensor>& levels, bool relu) {
  std::vector<Tensor> y;
  if (options_.kind == NormKind::group) {
    y = conv.forward_levels(levels);
    for (Tensor& t : y) t = ops::group_norm(std::move(t), weight_, bias_, options_.groups, options_.eps, relu);
    return y;
  }
  for (const Tensor& level : levels) y.push_back(after(conv, level, relu));
  return y;
}

Tensor Norm::after(const Conv2d& conv, const Tensor& x, bool relu, Tensor residual, std::optional<ops::MaxPool> pool) {
  const auto pooled = [&](const Tensor& y) { return pool ? ops::max_pool(y, *pool) : y; };
  if (options_.kind == NormKind::group) {
    const bool last = !residual.defined();
    Tensor y = ops::group_norm(conv.forward(x), weight_, bias_, options_.groups, options_.eps, relu && last);
    if (last) return pooled(y);
    return pooled(relu ? ops::relu(ops::add(y, residual)) : ops::add(y, residual));
  }
  // Fixed statistics with a learned affine map, as where a backbone is unfrozen but its statistics are not.
  const bool learns = autograd::grad_enabled() && autograd::requires_grad(weight_);
  if (options_.kind == NormKind::batch && (training() || learns)) {
    if (training()) ops::count_up(num_batches_);
    return pooled(ops::batch_norm(conv.forward(x), weight_, bias_, running_mean_, running_var_, training(),
                                  options_.momentum, options_.eps, relu, residual));
  }
  fold();
  return conv.forward(x,
                      {.scale = scale_, .bias = shift_, .residual = std::move(residual), .relu = relu, .pool = pool});
}

}  // namespace az::nn
