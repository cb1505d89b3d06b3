#include "ops/conv.h"

#include <algorithm>

#include "autograd/node.h"
#include "autograd/onnx.h"
#include "cpu/conv.h"
#include "cpu/conv_pool.h"
#include "cpu/elementwise.h"
#include "cuda/conv.h"
#include "cuda/library.h"
#include "ops/cast.h"
#include "ops/conv_gradients.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"
#include "ops/profile.h"
#include "ops/resize.h"
#include "tensor/layout.h"

namespace az::ops {
namespace {

using namespace conv;
using autograd::Arrived;
using autograd::Grads;
using autograd::Node;
using autograd::Saved;

/// The weights as the CUDA library takes them: w times scale as T. Inference keeps them.
template <class T, class CudaDevice>
Tensor packed_weights(CudaDevice& device, const Tensor& w, const Tensor& scale) {
  if (std::is_same_v<T, Wide<T>> && !scale.defined()) return w;
  cuda::WeightCache::Slot slot;
  if (autograd::grad_enabled()) {
    slot = {Tensor::empty(w.shape(), dtype_of<T>, w.device()), true};
  } else {
    slot = device.library().weights().find(identity(w, scale, false), w, dtype_of<T>, device.stream().capturing());
  }
  if (slot.fill)
    cuda::pack_weights<T>(device.stream(), w.data<Wide<T>>(), data_or_null<Wide<T>>(scale),
                          slot.packed.template mutable_data<T>(), w.dim(0), w.numel() / w.dim(0));
  return slot.packed;
}

/// Whether a residual that check_shapes let pass has half the output's height and width.
bool is_coarse(const ConvShape& d, const Tensor& residual) { return residual.defined() && residual.dim(1) != d.oh(); }

struct Conv2dNode final : Node {
  ConvShape shape;
  Saved x, w, scale, y;
  Saved bias;  // for onnx() alone
  Tensor packed;
  bool relu, residual, coarse;

  Conv2dNode(const ConvShape& d, const Tensor& in, const Tensor& weight, const Tensor& packed_weight, const Epilogue& e,
             const Tensor& out)
      : Node("conv2d"),
        shape(d),
        x(in),
        w(weight),
        packed(packed_weight.detached()),
        relu(e.relu),
        residual(e.residual.defined()),
        coarse(is_coarse(d, e.residual)) {
    if (e.scale.defined()) scale = Saved(e.scale);
    if (e.bias.defined()) bias = Saved(e.bias);
    if (relu) y = Saved(out);
  }

  Grads backward(const Grads& dy) override {
    const Tensor factor = scale.defined() ? scale.get(name()) : Tensor();
    const Tensor dz = relu && !dy_is_cut() ? masked(y.get(name()), dy[0]) : dy[0];
    dz.device().count_flops(shape.flops() * (int{needs(0)} + int{needs(1)}));
    Grads result(4);
    if (needs(0)) {
      const cpu::ConvFuses can = fuses(dz, shape);
      const Cuts cuts = !can.cut ? Cuts::none : can.part ? Cuts::written : Cuts::all;
      result[0] = data_gradient(shape, dz, w.get(name()), factor, packed, needs(1),
                                can.sum ? take_arrived(0, cuts) : Arrived());
    }
    if (needs(1)) result[1] = weight_gradient(shape, x.get(name()), dz, factor, w.storage_id(), leaf_sum(1));
    if (needs(2)) result[2] = bias_gradient(dz, shape.k);
    if (needs(3)) result[3] = coarse ? coarse_gradient(dz) : dz;
    return result;
  }
  Tensor relu_output() const override { return relu ? y.get(name()) : Tensor(); }
  Cost cost(const Grads&) const override { return {}; }  // each gradient is a span of its own
  uint64_t layer() const override { return w.storage_id(); }

  /// A folded norm is folded into the graph's weight, too.
  void onnx(autograd::OnnxRule& rule) const override {
    const Tensor& weight = w.get(name());
    const std::string label = rule.name_of(weight, "weight");
    Tensor filter = ohwi_to_oihw(weight);
    if (scale.defined()) {
      auto* values = filter.mutable_data<float>();
      cpu::scale_rows(values, scale.get(name()).data<float>(), values, shape.k, filter.numel() / shape.k);
    }
    std::vector<std::string> inputs = {rule.input(0),
                                       rule.constant(scale.defined() ? label + ".folded" : label, filter)};
    if (bias.defined()) {
      const Tensor& shift = bias.get(name());
      inputs.push_back(rule.constant(rule.name_of(shift, label + ".shift"), shift));
    }
    std::string y = rule.add("Conv", std::move(inputs),
                             {{"dilations", std::vector{shape.dilation, shape.dilation}},
                              {"group", shape.groups},
                              {"kernel_shape", std::vector{shape.r, shape.s}},
                              {"pads", std::vector<int64_t>(4, shape.padding)},
                              {"strides", std::vector{shape.stride, shape.stride}}});
    if (residual)
      y = rule.add(
          "Add", {y, coarse ? rule.nearest(rule.input(3), {shape.n, shape.oh(), shape.ow(), shape.k}) : rule.input(3)});
    rule.result(y, relu);
  }
};

/// Computes y; returns the weights in the form that the data gradient takes on the CUDA device.
Tensor forward(const ConvShape& d, const Tensor& x, const Tensor& w, const Epilogue& e, Tensor& y) {
  return on_device_bf16(
      "conv2d", x,
      [&](auto t) {
        using T = decltype(t);
        const cpu::ConvEpilogue after{data_or_null<Wide<T>>(e.bias), data_or_null<T>(e.residual), e.relu,
                                      is_coarse(d, e.residual)};
        cpu::conv_forward(cpu_device(x), d, x.data<T>(), w.data<Wide<T>>(), data_or_null<Wide<T>>(e.scale),
                          identity(w, e.scale, autograd::wants_record({w})), after, y.mutable_data<T>());
        return Tensor();
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        const Tensor packed = packed_weights<T>(device, w, e.scale);
        const cuda::ConvAfter<T> after{data_or_null<Wide<T>>(e.bias), data_or_null<T>(e.residual), e.relu};
        device.library().conv_forward(d, x.data<T>(), packed.data<T>(), after, y.mutable_data<T>());
        return packed;
      });
}

struct RoundWeightsNode final : Node {
  Saved scale;
  explicit RoundWeightsNode(const Tensor& factor) : Node("conv2d weights") {
    if (factor.defined()) scale = Saved(factor);
  }
  Grads backward(const Grads& dy) override {
    if (!scale.defined()) return {dy[0]};
    Tensor dw = Tensor::empty(dy[0].shape(), DType::f32, dy[0].device());
    cpu::scale_rows(dy[0].data<float>(), scale.get(name()).data<float>(), dw.mutable_data<float>(), dw.dim(0),
                    dw.numel() / dw.dim(0));
    return {dw};
  }
};

/// w times scale, rounded to what `activation` (bf16 or f16) holds, as f32; the gradient passes the rounding by. On the
/// host.
Tensor rounded_weights(const Tensor& w, const Tensor& scale, DType activation) {
  Tensor scaled = w.detached();
  if (scale.defined()) {
    scaled = Tensor::empty(w.shape(), DType::f32, w.device());
    cpu::scale_rows(w.data<float>(), scale.data<float>(), scaled.mutable_data<float>(), w.dim(0), w.numel() / w.dim(0));
  }
  const Tensor rounded = cast(cast(scaled, activation), DType::f32);
  return autograd::record<RoundWeightsNode>(rounded, {w}, scale);
}

ConvShape check_shapes(const Tensor& x, const Tensor& w, const Conv2dOptions& o, const Epilogue& e) {
  check_activation("conv2d", "x", x);
  const DType parameter = parameter_type(x.dtype());
  AZ_CHECK(x.rank() == 4, "conv2d: x is {}, want [n, h, w, c]", x.str());
  AZ_CHECK(w.defined() && w.rank() == 4 && w.dtype() == parameter, "conv2d: weight is {}, want {} [k, r, s, c]",
           w.str(), dtype_name(parameter));
  check_same_device("conv2d", x, w);
  AZ_CHECK(o.stride >= 1 && o.dilation >= 1 && o.padding >= 0 && o.groups >= 1,
           "conv2d: stride {}, padding {}, dilation {}, groups {}", o.stride, o.padding, o.dilation, o.groups);
  AZ_CHECK(w.dim(3) * o.groups == x.dim(3), "conv2d: weight {} wants {} input channels, x {} has {}", w.shape().str(),
           w.dim(3) * o.groups, x.shape().str(), x.dim(3));
  AZ_CHECK(w.dim(0) % o.groups == 0, "conv2d: {} output channels do not divide into {} groups", w.dim(0), o.groups);
  const ConvShape d{.n = x.dim(0),
                    .h = x.dim(1),
                    .w = x.dim(2),
                    .c = x.dim(3),
                    .k = w.dim(0),
                    .r = w.dim(1),
                    .s = w.dim(2),
                    .stride = o.stride,
                    .padding = o.padding,
                    .dilation = o.dilation,
                    .groups = o.groups};
  AZ_CHECK(d.h + 2 * d.padding >= d.dilation * (d.r - 1) + 1 && d.w + 2 * d.padding >= d.dilation * (d.s - 1) + 1,
           "conv2d: the kernel of {} with dilation {} is larger than x {} with padding {}", w.shape().str(), d.dilation,
           x.shape().str(), d.padding);
  const auto per_channel = [&](const char* what, const Tensor& t) {
    AZ_CHECK(!t.defined() || (t.shape() == Shape{d.k} && t.dtype() == parameter), "conv2d: {} is {}, want {} [{}]",
             what, t.str(), dtype_name(parameter), d.k);
    if (t.defined()) check_same_device("conv2d", x, t);
  };
  per_channel("scale", e.scale);
  per_channel("bias", e.bias);
  const bool even = d.oh() % 2 == 0 && d.ow() % 2 == 0;
  AZ_CHECK(!e.residual.defined() || ((e.residual.shape() == Shape{d.n, d.oh(), d.ow(), d.k} ||
                                      (even && e.residual.shape() == Shape{d.n, d.oh() / 2, d.ow() / 2, d.k})) &&
                                     e.residual.dtype() == x.dtype()),
           "conv2d: residual is {}, the output is [{}, {}, {}, {}]", e.residual.str(), d.n, d.oh(), d.ow(), d.k);
  return d;
}

/// Whether convolution and pool are one piece of work: nobody wants the map between them.
bool pools_on_way(const Tensor& x, const Tensor& w, const ConvShape& d, const Epilogue& e) {
  return x.device().kind() == DeviceKind::cpu && (x.dtype() == DType::f32 || x.dtype() == DType::bf16) &&
         !e.residual.defined() && !autograd::wants_record({x, w, e.bias}) &&
         cpu::conv_max_pool_fits(cpu_device(x), d, x.dtype());
}

Tensor conv2d_max_pool(const ConvShape& d, const Tensor& x, const Tensor& w, const Epilogue& e) {
  const math::PoolShape pool = pool_shape({d.n, d.oh(), d.ow(), d.k}, *e.pool);
  Tensor y = Tensor::empty({d.n, pool.h_out, pool.w_out, d.k}, x.dtype(), x.device());
  const ProfileSpan span(x.device(), "conv2d", [&] {
    SpanDetail detail = conv_detail(d, cpu::ConvPass::forward, x, w.storage_id(), 0);
    detail.shape += ", max pool";
    detail.cost.bytes_written = bytes_of(y);
    return detail;
  });
  x.device().count_flops(d.flops());
  const auto compute = [&]<class T>(T) {
    cpu::conv_max_pool(cpu_device(x), d, pool, x.data<T>(), w.data<float>(), data_or_null<float>(e.scale),
                       identity(w, e.scale, false), {.bias = data_or_null<float>(e.bias), .relu = e.relu},
                       y.mutable_data<T>());
  };
  if (x.dtype() == DType::f32)
    compute(float{});
  else
    compute(bf16{});
  return y;
}

/// Whether conv2d_levels is one piece of work.
bool one_call(const std::vector<Tensor>& x) {
  return !x.empty() && std::ranges::all_of(x, [](const Tensor& t) {
    return t.defined() && t.device().kind() == DeviceKind::cpu && t.dtype() == DType::f32 && !cpu_device(t).exact();
  });
}

/// conv2d_levels where one_call says so, and what `exps` say of each map unless there are none.
std::vector<Tensor> levels_at_once(const std::vector<Tensor>& x, const Tensor& w, const Conv2dOptions& options,
                                   const Epilogue& e, const std::vector<LevelExp>& exps) {
  std::vector<ConvShape> shapes;
  for (const Tensor& level : x) {
    shapes.push_back(check_shapes(level, w, options, e));
    check_same_device("conv2d_levels", x[0], level);
  }
  const ProfileSpan span(x[0].device(), "conv2d", [&] { return conv_levels_detail(shapes, x[0], w.storage_id()); });
  std::vector<Tensor> y;
  std::vector<cpu::ConvMaps<float>> maps;
  for (const Tensor& level : x) {
    const ConvShape& d = shapes[maps.size()];
    y.push_back(Tensor::empty({d.n, d.oh(), d.ow(), d.k}, DType::f32, level.device()));
    maps.push_back({d.n, d.h, d.w, level.data<float>(), nullptr, y.back().mutable_data<float>()});
    level.device().count_flops(d.flops());
  }
  for (size_t i = 0; i < exps.size(); ++i) {
    check_exp_scale(exps[i].scale, y[i]);
    maps[i].exp = math::ExpScaled<float>{exps[i].scale.data<float>()[0], static_cast<float>(exps[i].limit)};
  }
  cpu::conv_forward_levels<float>(cpu_device(x[0]), shapes[0], maps, w.data<float>(), data_or_null<float>(e.scale),
                                  identity(w, e.scale, autograd::wants_record({w})),
                                  {data_or_null<float>(e.bias), nullptr, e.relu});
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = autograd::record<Conv2dNode>(y[i], {x[i], w, e.bias, e.residual}, shapes[i], x[i], w, Tensor(), e, y[i]);
  return y;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Conv2dOptions& options, Epilogue e) {
  const ConvShape d = check_shapes(x, w, options, e);
  if (e.pool) {
    if (pools_on_way(x, w, d, e)) return conv2d_max_pool(d, x, w, e);
    const MaxPool pool = *std::exchange(e.pool, {});
    return max_pool(conv2d(x, w, options, std::move(e)), pool);
  }
  const bool coarse = is_coarse(d, e.residual);
  if (coarse && !fuses(x, d).coarse) {
    e.residual = resize_nearest(e.residual, d.oh(), d.ow());
    return conv2d(x, w, options, std::move(e));
  }
  if (is_host_f16(x)) {
    const Tensor residual = e.residual.defined() ? cast(e.residual, DType::f32) : Tensor();
    return cast(conv2d(cast(x, DType::f32), rounded_weights(w, e.scale, x.dtype()), options,
                       {.bias = e.bias, .residual = residual, .relu = e.relu}),
                x.dtype());
  }
  const ProfileSpan span(x.device(), "conv2d", [&] {
    return conv_detail(d, cpu::ConvPass::forward, x, w.storage_id(), coarse ? 0.25 : int{e.residual.defined()});
  });
  Tensor y = !coarse && may_overwrite(e.residual) ? e.residual.detached()
                                                  : Tensor::empty({d.n, d.oh(), d.ow(), d.k}, x.dtype(), x.device());
  x.device().count_flops(d.flops());
  const Tensor packed = forward(d, x, w, e, y);
  return autograd::record<Conv2dNode>(y, {x, w, e.bias, e.residual}, d, x, w, packed, e, y);
}

std::vector<Tensor> conv2d_levels(const std::vector<Tensor>& x, const Tensor& w, const Conv2dOptions& options,
                                  const Epilogue& e) {
  AZ_CHECK(!x.empty() && !e.residual.defined() && !e.pool,
           "conv2d_levels: {} maps{}{}; want one or more, no residual and no pool", x.size(),
           e.residual.defined() ? " and a residual" : "", e.pool ? " and a pool" : "");
  if (one_call(x)) return levels_at_once(x, w, options, e, {});
  std::vector<Tensor> y;
  for (const Tensor& level : x) y.push_back(conv2d(level, w, options, e));
  return y;
}

std::vector<Tensor> conv2d_levels_exp(const std::vector<Tensor>& x, const Tensor& w, const Conv2dOptions& options,
                                      const Epilogue& e, const std::vector<LevelExp>& exps) {
  AZ_CHECK(exps.size() == x.size(), "conv2d_levels_exp: {} maps and {} scales", x.size(), exps.size());
  std::vector<Tensor> inputs = x;
  inputs.insert(inputs.end(), {w, e.bias});
  for (const LevelExp& exp : exps) inputs.push_back(exp.scale);
  if (!autograd::wants_record(inputs) && !e.residual.defined() && !e.pool && one_call(x))
    return levels_at_once(x, w, options, e, exps);
  std::vector<Tensor> y = conv2d_levels(x, w, options, e);
  for (size_t i = 0; i < y.size(); ++i) {
    if (is_half(y[i].dtype())) y[i] = cast(y[i], DType::f32);
    y[i] = exp_scaled(std::move(y[i]), exps[i].scale, exps[i].limit);
  }
  return y;
}

}  // namespace az::ops
