#include "ops/norm.h"

#include "autograd/node.h"
#include "autograd/onnx.h"
#include "cpu/norm.h"
#include "cuda/norm.h"
#include "ops/cast.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;
using math::Gate;
using math::NormShape;

Tensor like(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype(), x.device()); }

/// The type of parameters and running statistics for an x.
DType parameter_type(const Tensor& x) { return x.dtype() == DType::f64 ? DType::f64 : DType::f32; }

/// Error unless `t` is [c] of the parameters' type on x's device.
void check_channels(const char* op, const char* name, const Tensor& t, const Tensor& x) {
  AZ_CHECK(t.defined() && t.shape() == Shape{x.dim(3)} && t.dtype() == parameter_type(x),
           "{}: {} is {}, want {} [{}] for x {}", op, name, t.str(), dtype_name(parameter_type(x)), x.dim(3), x.str());
  check_same_device(op, x, t);
}

void check_input(const char* op, const Tensor& x, const Tensor& residual) {
  check_activation(op, "x", x);
  AZ_CHECK(x.rank() == 4 && x.dim(3) > 0, "{}: x is {}, want [n, h, w, c] with c >= 1", op, x.str());
  check_map_size(op, x, x.dim(0) * x.dim(1) * x.dim(2), x.dim(3));
  if (!residual.defined()) return;
  AZ_CHECK(residual.shape() == x.shape() && residual.dtype() == x.dtype(), "{}: residual {} does not match x {}", op,
           residual.str(), x.str());
  check_same_device(op, x, residual);
}

Tensor in_f32(const Tensor& x) { return x.defined() ? cast(x, DType::f32) : x; }

/// The elements, or null for an undefined tensor.
template <class T>
const T* data_or_null(const Tensor& t) {
  return t.defined() ? t.data<T>() : nullptr;
}
template <class T>
T* data_or_null(Tensor& t) {
  return t.defined() ? t.mutable_data<T>() : nullptr;
}

/// y = scale * x + shift (+ residual), ReLU.   scale, shift [images, c]
/// y: where it goes, x itself or a tensor like it
Tensor affine(const char* op, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
              bool relu, const NormShape& shape, Tensor y) {
  on_device_bf16(
      op, x,
      [&](auto t) {
        using T = decltype(t);
        cpu::affine_channels(x.data<T>(), scale.data<Wide<T>>(), shift.data<Wide<T>>(), data_or_null<T>(residual), relu,
                             y.mutable_data<T>(), shape);
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::affine_channels(device.stream(), x.data<T>(), scale.data<Wide<T>>(), shift.data<Wide<T>>(),
                              data_or_null<T>(residual), relu, y.mutable_data<T>(), shape);
      });
  return y;
}

/// Statistics read x once and take 3 operations an element; the map reads it again, and a residual, and takes 2.
Cost norm_cost(const Tensor& x, bool statistics, bool residual) {
  return map_cost(x, statistics ? 5 : 2, int{statistics} + int{residual});
}

/// What group_norm and batch_norm have in common: statistics, and the affine map that they and the parameters make.
struct Normal {
  NormShape shape;
  bool fixed;           ///< the statistics are constants, not functions of x
  Tensor mean, rstd;    ///< [images, groups] f64
  Tensor scale, shift;  ///< [images, c] of the parameters' type

  Normal(const NormShape& s, bool is_fixed, const Tensor& weight)
      : shape(s),
        fixed(is_fixed),
        mean(Tensor::empty({s.images, s.groups}, DType::f64, weight.device())),
        rstd(like(mean)),
        scale(Tensor::empty({s.images, s.channels}, weight.dtype(), weight.device())),
        shift(like(scale)) {}

  template <class P>
  math::NormMap<P> map() {
    return {mean.mutable_data<double>(), rstd.mutable_data<double>(), scale.mutable_data<P>(), shift.mutable_data<P>()};
  }
};

/// Memory for the sums of a norm on the CUDA device.
[[maybe_unused]] Tensor workspace(const NormShape& shape, Device& device) {
  return Tensor::empty({cuda::norm_workspace(shape)}, DType::f64, device);
}

template <class P>
math::NormParameters<P> parameters(const Tensor& weight, const Tensor& bias, double eps) {
  return {weight.data<P>(), bias.data<P>(), eps};
}

/// Running statistics to update; undefined: none.
struct Running {
  Tensor mean, var;
  double momentum = 0;

  template <class P>
  math::RunningStatistics<P> pointers() {
    return {data_or_null<P>(mean), data_or_null<P>(var), momentum};
  }
};

/// Takes the statistics of x.
void measure(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, Running running,
             Normal& norm) {
  on_device_bf16(
      op, x,
      [&](auto t) {
        using T = decltype(t);
        using P = Wide<T>;
        cpu::measure(x.data<T>(), norm.shape, parameters<P>(weight, bias, eps), running.pointers<P>(), norm.map<P>());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        using P = Wide<T>;
        Tensor sums = workspace(norm.shape, device);
        cuda::measure(device.stream(), x.data<T>(), norm.shape, parameters<P>(weight, bias, eps),
                      running.template pointers<P>(), norm.template map<P>(), sums.mutable_data<double>());
      });
}

/// Uses fixed statistics.
void fold(const char* op, const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& var, double eps,
          Normal& norm) {
  on_device(
      op, weight,
      [&](auto t) {
        using P = decltype(t);
        cpu::fold_running(parameters<P>(weight, bias, eps), mean.data<P>(), var.data<P>(), norm.shape.channels,
                          norm.map<P>());
      },
      [&](auto& device, auto t) {
        using P = decltype(t);
        cuda::fold_running(device.stream(), parameters<P>(weight, bias, eps), mean.data<P>(), var.data<P>(),
                           norm.shape.channels, norm.template map<P>());
      });
}

struct Affine {
  Tensor weight, bias;
  double eps;
};

/// Inputs x, weight, bias, residual.
struct NormNode final : Node {
  Normal norm;
  Gate gate;
  Saved x, weight, y;
  Saved bias;  // with eps for onnx() alone
  double eps;
  NormNode(const char* name, Normal n, bool relu, const Tensor& in, const Affine& learned, const Tensor& residual,
           const Tensor& out)
      : Node(name),
        norm(std::move(n)),
        gate(relu ? residual.defined() ? Gate::from_y : Gate::from_x : Gate::none),
        x(in),
        weight(learned.weight),
        bias(learned.bias),
        eps(learned.eps) {
    if (gate == Gate::from_y) y = Saved(out);
  }

  Grads backward(const Grads& dy) override {
    Grads dx(4);
    Tensor slope, offset;
    if (needs(1) || needs(2)) {
      dx[1] = like(weight.get(name()));
      dx[2] = like(dx[1]);
    }
    if (needs(0) && !norm.fixed) {
      slope = like(norm.scale);
      offset = like(norm.scale);
    }
    if (dx[1].defined() || slope.defined()) sums(dy[0], slope, offset, dx);
    const bool gated_residual = gate != Gate::none && needs(3);
    if (gate == Gate::none && needs(3)) dx[3] = dy[0];
    if (gated_residual) dx[3] = like(dy[0]);
    if (needs(0) || gated_residual) rows(dy[0], slope, offset, gated_residual, dx);
    return dx;
  }
  /// A pass for the sums and one for the rows, each over dy, x and perhaps y.
  Cost cost(const Grads& dy) const override {
    const bool sums = needs(1) || needs(2) || !norm.fixed, own_residual = gate != Gate::none && needs(3);
    const int passes = int{sums} + 1, reads = y.defined() ? 3 : 2;
    return map_cost(dy[0], 4.0 * passes, passes * reads - 1, 1 + int{own_residual});
  }
  uint64_t layer() const override { return weight.storage_id(); }
  /// A group's channels lie together, so that it is an instance of one channel.
  void onnx(autograd::OnnxRule& rule) const override {
    if (norm.fixed || norm.shape.images != x.get(name()).dim(0)) return Node::onnx(rule);
    const Shape map = autograd::onnx_shape(x.get(name()).shape());
    const auto dims = map.dims();
    const int64_t groups = norm.shape.groups;
    const Tensor ones = Tensor::full({groups}, 1, DType::f32, weight.get(name()).device());
    const auto column = [&](const Saved& t, const char* otherwise) {
      const Tensor& values = t.get(name());
      return rule.constant(rule.name_of(values, otherwise), values.reshaped({1, map[1], 1, 1}));
    };
    std::string y = rule.add("Reshape", {rule.input(0), rule.integers({map[0], groups, -1})});
    y = rule.add(
        "InstanceNormalization",
        {y, rule.constant("ones", ones), rule.constant("zeros", Tensor::zeros({groups}, DType::f32, ones.device()))},
        {{"epsilon", static_cast<float>(eps)}});
    y = rule.add("Reshape", {y, rule.integers({dims.begin(), dims.end()})});
    y = rule.add("Mul", {y, column(weight, "weight")});
    rule.result(rule.add("Add", {y, column(bias, "bias")}), gate != Gate::none);
  }

 private:
  template <class T>
  math::NormGradientInput<T> input(const Tensor& dy) const {
    return {gate,
            dy.data<T>(),
            x.get(name()).template data<T>(),
            y.defined() ? y.get(name()).template data<T>() : nullptr,
            norm.scale.data<Wide<T>>(),
            norm.shift.data<Wide<T>>()};
  }

  /// dweight, dbias, slope and offset where they are defined.
  void sums(const Tensor& dy, Tensor& slope, Tensor& offset, Grads& dx) const {
    const auto out = [&](auto p) -> math::NormGradientSums<decltype(p)> {
      using P = decltype(p);
      return {weight.get(name()).template data<P>(),
              norm.mean.data<double>(),
              norm.rstd.data<double>(),
              data_or_null<P>(slope),
              data_or_null<P>(offset),
              data_or_null<P>(dx[1]),
              data_or_null<P>(dx[2])};
    };
    on_device_bf16(
        name(), dy, [&](auto t) { cpu::gradient_sums(input<decltype(t)>(dy), norm.shape, out(Wide<decltype(t)>{})); },
        [&](auto& device, auto t) {
          using T = decltype(t);
          Tensor parts = workspace(norm.shape, device);
          cuda::gradient_sums(device.stream(), input<T>(dy), norm.shape, out(Wide<T>{}), parts.mutable_data<double>());
        });
  }

  /// dx[0], in dy's place where nobody else holds it, and dx[3] if the residual's gradient is a tensor of its own.
  void rows(const Tensor& dy, const Tensor& slope, const Tensor& offset, bool gated_residual, Grads& dx) const {
    dx[0] = dy.is_only_owner() && !gated_residual && dy.device().kind() == DeviceKind::cpu ? dy : like(dy);
    Tensor none;
    Tensor& dresidual = gated_residual ? dx[3] : none;
    on_device_bf16(
        name(), dy,
        [&](auto t) {
          using T = decltype(t);
          cpu::gradient_rows(input<T>(dy), data_or_null<Wide<T>>(slope), data_or_null<Wide<T>>(offset),
                             dx[0].mutable_data<T>(), data_or_null<T>(dresidual), norm.shape);
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::gradient_rows(device.stream(), input<T>(dy), data_or_null<Wide<T>>(slope),
                              data_or_null<Wide<T>>(offset), dx[0].mutable_data<T>(), data_or_null<T>(dresidual),
                              norm.shape);
        });
  }
};

/// Inputs x, residual.
struct FrozenNormNode final : Node {
  Saved scale, y;
  FrozenNormNode(const Tensor& factor, bool relu, const Tensor& out) : Node("frozen_norm"), scale(factor) {
    if (relu) y = Saved(out);
  }
  Grads backward(const Grads& dy) override {
    const int64_t c = dy[0].dim(3);
    const NormShape shape{1, dy[0].numel() / c, c, c};
    Grads dx{like(dy[0]), dy[0]};
    Tensor gated;
    if (y.defined() && needs(1)) dx[1] = gated = like(dy[0]);
    on_device_bf16(
        name(), dy[0],
        [&](auto t) {
          using T = decltype(t);
          cpu::gradient_rows<T>(input<T>(dy[0]), nullptr, nullptr, dx[0].mutable_data<T>(), data_or_null<T>(gated),
                                shape);
        },
        [&](auto& device, auto t) {
          using T = decltype(t);
          cuda::gradient_rows<T>(device.stream(), input<T>(dy[0]), nullptr, nullptr, dx[0].mutable_data<T>(),
                                 data_or_null<T>(gated), shape);
        });
    return dx;
  }
  Cost cost(const Grads& dy) const override {
    return map_cost(dy[0], 2, int{y.defined()}, 1 + int{y.defined() && needs(1)});
  }
  uint64_t layer() const override { return scale.storage_id(); }

 private:
  template <class T>
  math::NormGradientInput<T> input(const Tensor& dy) const {
    math::NormGradientInput<T> in;
    in.gate = y.defined() ? Gate::from_y : Gate::none;
    in.dy = dy.data<T>();
    in.y = y.defined() ? y.get(name()).template data<T>() : nullptr;
    in.scale = scale.get(name()).template data<Wide<T>>();
    return in;
  }
};

}  // namespace

Tensor group_norm(Tensor x, const Tensor& weight, const Tensor& bias, int groups, double eps, bool relu) {
  const char* op = "group_norm";
  check_input(op, x, {});
  check_channels(op, "weight", weight, x);
  check_channels(op, "bias", bias, x);
  AZ_CHECK(groups >= 1 && x.dim(3) % groups == 0, "{}: {} groups do not divide the {} channels of x {}", op, groups,
           x.dim(3), x.str());
  AZ_CHECK(x.dim(1) > 0 && x.dim(2) > 0, "{}: x {} has no pixels to take statistics of", op, x.str());
  if (is_host_f16(x)) return cast(group_norm(in_f32(x), weight, bias, groups, eps, relu), x.dtype());
  const ProfileSpan span(x.device(), op, [&] { return detail(x, norm_cost(x, true, false), weight); });
  Normal norm({x.dim(0), x.dim(1) * x.dim(2), x.dim(3), groups}, false, weight);
  measure(op, x, weight, bias, eps, {}, norm);
  const bool in_place = may_overwrite(x) && !autograd::wants_record({x, weight, bias});
  const Tensor y = affine(op, x, norm.scale, norm.shift, {}, relu, norm.shape, in_place ? x.detached() : like(x));
  return autograd::record<NormNode>(y, {x, weight, bias, {}}, op, std::move(norm), relu, x, Affine{weight, bias, eps},
                                    Tensor(), y);
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
  const int64_t count = x.numel() / c;
  AZ_CHECK(!training || count > 1,
           "{}: x {} has {} value(s) a channel, training wants two or more; enlarge the batch or the image", op,
           x.str(), count);
  if (is_host_f16(x))
    return cast(
        batch_norm(in_f32(x), weight, bias, running_mean, running_var, training, momentum, eps, relu, in_f32(residual)),
        x.dtype());
  const ProfileSpan span(x.device(), op, [&] { return detail(x, norm_cost(x, training, residual.defined()), weight); });
  Normal norm({1, count, c, c}, !training, weight);
  if (training) {
    measure(op, x, weight, bias, eps, {running_mean, running_var, momentum}, norm);
  } else {
    fold(op, weight, bias, running_mean, running_var, eps, norm);
  }
  const Tensor y = affine(op, x, norm.scale, norm.shift, residual, relu, norm.shape, like(x));
  return autograd::record<NormNode>(y, {x, weight, bias, residual}, op, std::move(norm), relu, x,
                                    Affine{weight, bias, eps}, residual, y);
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
  Normal norm({1, 1, c, c}, true, weight);
  fold(op, weight, bias, mean, var, eps, norm);
  return {norm.scale.reshaped({c}), norm.shift.reshaped({c})};
}

Tensor frozen_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, bool relu, const Tensor& residual) {
  const char* op = "frozen_norm";
  check_input(op, x, residual);
  check_channels(op, "scale", scale, x);
  check_channels(op, "shift", shift, x);
  AZ_CHECK(!autograd::requires_grad(scale) && !autograd::requires_grad(shift),
           "{}: scale and shift are constants but one wants a gradient; use batch_norm with training off", op);
  if (is_host_f16(x)) return cast(frozen_norm(in_f32(x), scale, shift, relu, in_f32(residual)), x.dtype());
  const ProfileSpan span(x.device(), op, [&] { return detail(x, norm_cost(x, false, residual.defined()), scale); });
  const int64_t c = x.dim(3);
  const Tensor y = affine(op, x, scale, shift, residual, relu, {1, x.numel() / c, c, c}, like(x));
  return autograd::record<FrozenNormNode>(y, {x, residual}, scale, relu, y);
}

}  // namespace az::ops
