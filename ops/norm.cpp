#include "ops/norm.h"

#include "autograd/node.h"
#include "cpu/norm.h"
#include "math/norm.h"
#include "ops/dispatch.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;
using cpu::Gate;
using cpu::NormShape;

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype(), x.device()); }

/// Error unless `t` is [c] of x's type on x's device.
void check_channels(const char* op, const char* name, const Tensor& t, const Tensor& x) {
  AZ_CHECK(t.defined() && t.shape() == Shape{x.dim(3)} && t.dtype() == x.dtype(), "{}: {} is {}, want {} [{}] for x {}",
           op, name, t.str(), dtype_name(x.dtype()), x.dim(3), x.str());
  check_same_device(op, x, t);
}

void check_input(const char* op, const Tensor& x, const Tensor& residual) {
  check_float(op, "x", x);
  AZ_CHECK(x.rank() == 4 && x.dim(3) > 0, "{}: x is {}, want [n, h, w, c] with c >= 1", op, x.str());
  if (!residual.defined()) return;
  AZ_CHECK(residual.shape() == x.shape() && residual.dtype() == x.dtype(), "{}: residual {} does not match x {}", op,
           residual.str(), x.str());
  check_same_device(op, x, residual);
}

/// y = scale * x + shift (+ residual), ReLU.   scale, shift [images, c]
Tensor affine(const char* op, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
              bool relu, const NormShape& shape) {
  Tensor y = like(x);
  on_cpu(op, x, [&](auto t) {
    using T = decltype(t);
    cpu::affine_channels(x.data<T>(), scale.data<T>(), shift.data<T>(),
                         residual.defined() ? residual.data<T>() : nullptr, relu, y.mutable_data<T>(), shape);
  });
  return y;
}

/// What group_norm and batch_norm have in common: statistics, and the affine map that they and the parameters make.
struct Normal {
  NormShape shape;
  bool fixed;                // the statistics are constants, not functions of x
  std::vector<double> mean;  // [images, groups]
  std::vector<double> rstd;
  Tensor scale, shift;  // [images, c]
};

/// Fills scale and shift from weight, bias and the statistics.
void fold(const char* op, const Tensor& weight, const Tensor& bias, Normal& norm) {
  norm.scale = Tensor::empty({norm.shape.images, norm.shape.channels}, weight.dtype(), weight.device());
  norm.shift = like(norm.scale);
  on_cpu(op, weight, [&](auto t) {
    using T = decltype(t);
    cpu::fold_channels(weight.data<T>(), bias.data<T>(), norm.mean.data(), norm.rstd.data(), norm.shape,
                       norm.scale.mutable_data<T>(), norm.shift.mutable_data<T>());
  });
}

/// Sets mean and rstd from x; returns the biased variances.
std::vector<double> measure(const char* op, const Tensor& x, double eps, Normal& norm) {
  const auto groups = static_cast<size_t>(norm.shape.images * norm.shape.groups);
  norm.mean.resize(groups);
  norm.rstd.resize(groups);
  std::vector<double> variance(groups);
  on_cpu(op, x, [&](auto t) {
    using T = decltype(t);
    cpu::group_moments(x.data<T>(), norm.shape, norm.mean.data(), variance.data());
  });
  for (size_t g = 0; g < groups; ++g) norm.rstd[g] = 1 / std::sqrt(variance[g] + eps);
  return variance;
}

/// Inputs x, weight, bias, residual.
struct NormNode final : Node {
  Normal norm;
  Gate gate;
  Saved x, weight, y;
  NormNode(const char* name, Normal n, bool relu, const Tensor& in, const Tensor& w, const Tensor& residual,
           const Tensor& out)
      : Node(name),
        norm(std::move(n)),
        gate(relu ? residual.defined() ? Gate::from_y : Gate::from_x : Gate::none),
        x(in),
        weight(w) {
    if (gate == Gate::from_y) y = Saved(out);
  }

  Grads backward(const Grads& dy) override {
    Grads dx(4);
    on_cpu(name(), dy[0], [&](auto t) { run(t, dy[0], dx); });
    return dx;
  }

 private:
  template <class T>
  void run(T, const Tensor& dy, Grads& dx) const {
    const cpu::NormGradientInput<T> in{gate,
                                       dy.data<T>(),
                                       x.get(name()).template data<T>(),
                                       y.defined() ? y.get(name()).template data<T>() : nullptr,
                                       norm.scale.data<T>(),
                                       norm.shift.data<T>()};
    const bool wants_affine = needs(1) || needs(2);
    const bool wants_sums = wants_affine || (needs(0) && !norm.fixed);
    const cpu::ChannelSums sums = wants_sums ? cpu::gradient_sums(in, norm.shape) : cpu::ChannelSums{};
    if (wants_affine) affine_gradients<T>(sums, dx);
    if (gate == Gate::none && needs(3)) dx[3] = dy;
    if (!needs(0) && !(gate != Gate::none && needs(3))) return;
    dx[0] = like(dy);
    if (gate != Gate::none && needs(3)) dx[3] = like(dy);
    T* dresidual = gate != Gate::none && needs(3) ? dx[3].mutable_data<T>() : nullptr;
    const std::vector<T> lines = norm.fixed ? std::vector<T>{} : slopes_and_offsets<T>(sums);
    const T* slope = norm.fixed ? nullptr : lines.data();
    const T* offset = norm.fixed ? nullptr : lines.data() + norm.shape.images * norm.shape.channels;
    cpu::gradient_rows(in, norm.scale.data<T>(), slope, offset, dx[0].mutable_data<T>(), dresidual, norm.shape);
  }

  /// dweight = sum of dy * (x - mean) * rstd, dbias = sum of dy.
  template <class T>
  void affine_gradients(const cpu::ChannelSums& sums, Grads& dx) const {
    const int64_t c = norm.shape.channels;
    std::vector<double> dweight(static_cast<size_t>(c)), dbias(static_cast<size_t>(c));
    for (int64_t i = 0; i < norm.shape.images * c; ++i) {
      const auto at = static_cast<size_t>(i), channel = static_cast<size_t>(i % c);
      const auto group = static_cast<size_t>(i / norm.shape.group_channels());
      dweight[channel] += (sums.dy_x[at] - sums.dy[at] * norm.mean[group]) * norm.rstd[group];
      dbias[channel] += sums.dy[at];
    }
    dx[1] = Tensor::from(std::vector<T>(dweight.begin(), dweight.end()), {c}, norm.scale.device());
    dx[2] = Tensor::from(std::vector<T>(dbias.begin(), dbias.end()), {c}, norm.scale.device());
  }

  /// The slope and then the offset of every channel, [2, images, c].
  template <class T>
  std::vector<T> slopes_and_offsets(const cpu::ChannelSums& sums) const {
    const int64_t count = norm.shape.images * norm.shape.channels;
    const int64_t width = norm.shape.group_channels();
    const T* w = weight.get(name()).template data<T>();
    std::vector<T> lines(static_cast<size_t>(2 * count));
    for (int64_t first = 0; first < count; first += width) {
      const auto group = static_cast<size_t>(first / width);
      double sum_g = 0, sum_gx = 0;
      for (int64_t i = first; i < first + width; ++i) {
        const double factor = double(w[i % norm.shape.channels]);
        sum_g += factor * sums.dy[static_cast<size_t>(i)];
        sum_gx += factor * sums.dy_x[static_cast<size_t>(i)];
      }
      const math::GroupGradient line(sum_g, sum_gx, norm.mean[group], norm.rstd[group], norm.shape.group_size());
      for (int64_t i = first; i < first + width; ++i) {
        lines[static_cast<size_t>(i)] = static_cast<T>(line.slope);
        lines[static_cast<size_t>(count + i)] = static_cast<T>(line.offset);
      }
    }
    return lines;
  }
};

/// Inputs x, residual.
struct FrozenNormNode final : Node {
  Saved scale, y;
  FrozenNormNode(const Tensor& factor, bool relu, const Tensor& out) : Node("frozen_norm"), scale(factor) {
    if (relu) y = Saved(out);
  }
  Grads backward(const Grads& dy) override {
    const bool relu = y.defined();
    const bool writes_residual = relu && needs(1);
    Grads dx{like(dy[0]), writes_residual ? like(dy[0]) : dy[0]};
    on_cpu(name(), dy[0], [&](auto t) {
      using T = decltype(t);
      cpu::NormGradientInput<T> in;
      in.gate = relu ? Gate::from_y : Gate::none;
      in.dy = dy[0].data<T>();
      in.y = relu ? y.get(name()).template data<T>() : nullptr;
      const int64_t c = dy[0].dim(3);
      cpu::gradient_rows<T>(in, scale.get(name()).template data<T>(), nullptr, nullptr, dx[0].mutable_data<T>(),
                            writes_residual ? dx[1].mutable_data<T>() : nullptr, {1, dy[0].numel() / c, c, c});
    });
    return dx;
  }
};

}  // namespace

Tensor group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, int groups, double eps, bool relu) {
  const char* op = "group_norm";
  check_input(op, x, {});
  check_channels(op, "weight", weight, x);
  check_channels(op, "bias", bias, x);
  AZ_CHECK(groups >= 1 && x.dim(3) % groups == 0, "{}: {} groups do not divide the {} channels of x {}", op, groups,
           x.dim(3), x.str());
  AZ_CHECK(x.dim(1) > 0 && x.dim(2) > 0, "{}: x {} has no pixels to take statistics of", op, x.str());
  Normal norm{{x.dim(0), x.dim(1) * x.dim(2), x.dim(3), groups}, false, {}, {}, {}, {}};
  measure(op, x, eps, norm);
  fold(op, weight, bias, norm);
  const Tensor y = affine(op, x, norm.scale, norm.shift, {}, relu, norm.shape);
  return autograd::record<NormNode>(y, {x, weight, bias, {}}, op, std::move(norm), relu, x, weight, Tensor(), y);
}

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                  bool training, double momentum, double eps, bool relu, const Tensor& residual) {
  const char* op = "batch_norm";
  check_input(op, x, residual);
  check_channels(op, "weight", weight, x);
  check_channels(op, "bias", bias, x);
  check_channels(op, "running_mean", running_mean, x);
  check_channels(op, "running_var", running_var, x);
  const int64_t c = x.dim(3);
  Normal norm{{1, x.numel() / c, c, c}, !training, {}, {}, {}, {}};
  if (training) {
    const int64_t count = norm.shape.rows;
    AZ_CHECK(count > 1,
             "{}: x {} has {} value(s) a channel, training wants two or more; enlarge the batch or the image", op,
             x.str(), count);
    const std::vector<double> variance = measure(op, x, eps, norm);
    const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
    on_cpu(op, x, [&](auto t) {
      using T = decltype(t);
      T* mean = running_mean.mutable_data<T>();
      T* var = running_var.mutable_data<T>();
      for (int64_t i = 0; i < c; ++i) {
        const auto at = static_cast<size_t>(i);
        mean[i] = static_cast<T>((1 - momentum) * double(mean[i]) + momentum * norm.mean[at]);
        var[i] = static_cast<T>((1 - momentum) * double(var[i]) + momentum * unbiased * variance[at]);
      }
    });
  } else {
    norm.mean = running_mean.to(DType::f64).to_vector<double>();
    norm.rstd = running_var.to(DType::f64).to_vector<double>();
    for (double& v : norm.rstd) v = 1 / std::sqrt(v + eps);
  }
  fold(op, weight, bias, norm);
  const Tensor y = affine(op, x, norm.scale, norm.shift, residual, relu, norm.shape);
  return autograd::record<NormNode>(y, {x, weight, bias, residual}, op, std::move(norm), relu, x, weight, residual, y);
}

FoldedNorm fold_norm(const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& var, double eps) {
  const char* op = "fold_norm";
  check_float(op, "weight", weight);
  AZ_CHECK(weight.rank() == 1, "{}: weight is {}, want [c]", op, weight.str());
  for (const Tensor* t : {&bias, &mean, &var}) {
    AZ_CHECK(t->shape() == weight.shape() && t->dtype() == weight.dtype(), "{}: {} does not match weight {}", op,
             t->str(), weight.str());
    check_same_device(op, weight, *t);
  }
  const int64_t c = weight.dim(0);
  Normal norm{{1, 1, c, c}, true, mean.to(DType::f64).to_vector<double>(), var.to(DType::f64).to_vector<double>(),
              {},           {}};
  for (double& v : norm.rstd) v = 1 / std::sqrt(v + eps);
  fold(op, weight, bias, norm);
  return {norm.scale.reshaped({c}), norm.shift.reshaped({c})};
}

Tensor frozen_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, bool relu, const Tensor& residual) {
  const char* op = "frozen_norm";
  check_input(op, x, residual);
  check_channels(op, "scale", scale, x);
  check_channels(op, "shift", shift, x);
  AZ_CHECK(!autograd::requires_grad(scale) && !autograd::requires_grad(shift),
           "{}: scale and shift are constants but one wants a gradient; use batch_norm with training off", op);
  const int64_t c = x.dim(3);
  const Tensor y = affine(op, x, scale, shift, residual, relu, {1, x.numel() / c, c, c});
  return autograd::record<FrozenNormNode>(y, {x, residual}, scale, relu, y);
}

}  // namespace az::ops
