#include "ops/conv.h"

#include "autograd/node.h"
#include "cpu/conv.h"
#include "cpu/elementwise.h"
#include "cpu/reduce.h"
#include "math/elementwise.h"
#include "ops/dispatch.h"

namespace az::ops {
namespace {

using autograd::Grads;
using autograd::Node;
using autograd::Saved;
using math::ConvShape;

template <class T>
const T* data_or_null(const Tensor& t) {
  return t.defined() ? t.data<T>() : nullptr;
}

cpu::CpuDevice& cpu_device(const Tensor& t) { return static_cast<cpu::CpuDevice&>(t.device()); }

/// A weight is packed once a version.
cpu::WeightIdentity identity(const Tensor& w, const Tensor& scale) {
  return {w.storage_id(), w.version(), scale.storage_id(), scale.version(), w.raw()};
}

/// Whether oneDNN computes: f32 on a device that does not ask for exact sums.
template <class T>
bool uses_dnn(const Tensor& t) {
  return std::is_same_v<T, float> && !cpu_device(t).exact();
}

struct Conv2dNode final : Node {
  ConvShape shape;
  Saved x, w, scale, y;
  bool relu;

  Conv2dNode(const ConvShape& d, const Tensor& in, const Tensor& weight, const Epilogue& e, const Tensor& out)
      : Node("conv2d"), shape(d), x(in), w(weight), relu(e.relu) {
    if (e.scale.defined()) scale = Saved(e.scale);
    if (relu) y = Saved(out);
  }

  Grads backward(const Grads& dy) override {
    return on_cpu(name(), dy[0], [&](auto t) { return run<decltype(t)>(dy[0]); });
  }

  template <class T>
  Grads run(Tensor dz) {
    const Tensor factor = scale.defined() ? scale.get(name()) : Tensor();
    const auto empty = [&](const Shape& s) { return Tensor::empty(s, dz.dtype(), dz.device()); };
    if (relu) {
      Tensor masked = empty(dz.shape());
      cpu::map_backward<math::Relu>(y.get(name()).data<T>(), dz.data<T>(), masked.mutable_data<T>(), dz.numel());
      dz = masked;
    }
    Grads result(4);
    dz.device().count_flops(shape.flops() * (int{needs(0)} + int{needs(1)}));
    if (needs(0)) {
      result[0] = empty({shape.n, shape.h, shape.w, shape.c});
      const T* weight = w.get(name()).data<T>();
      if (uses_dnn<T>(dz)) {
        cpu::conv_backward_data(cpu_device(dz), shape, dz.data<float>(), w.get(name()).data<float>(),
                                data_or_null<float>(factor), identity(w.get(name()), factor),
                                result[0].mutable_data<float>());
      } else {
        cpu::conv_backward_data_plain(shape, dz.data<T>(), weight, data_or_null<T>(factor),
                                      result[0].mutable_data<T>());
      }
    }
    if (needs(1)) {
      Tensor dw = empty({shape.k, shape.r, shape.s, shape.c / shape.groups});
      const T* in = x.get(name()).data<T>();
      if (uses_dnn<T>(dz)) {
        cpu::conv_backward_weights(cpu_device(dz), shape, x.get(name()).data<float>(), dz.data<float>(),
                                   dw.mutable_data<float>());
      } else {
        cpu::conv_backward_weights_plain(shape, in, dz.data<T>(), dw.mutable_data<T>());
      }
      if (factor.defined()) {
        T* values = dw.mutable_data<T>();
        cpu::scale_rows(values, factor.data<T>(), values, shape.k, dw.numel() / shape.k);
      }
      result[1] = dw;
    }
    if (needs(2)) {
      result[2] = empty({shape.k});
      cpu::sum_rows(dz.data<T>(), result[2].mutable_data<T>(), dz.numel() / shape.k, shape.k);
    }
    if (needs(3)) result[3] = dz;
    return result;
  }
};

ConvShape check_shapes(const Tensor& x, const Tensor& w, const Conv2dOptions& o, const Epilogue& e) {
  check_float("conv2d", "x", x);
  AZ_CHECK(x.rank() == 4, "conv2d: x is {}, want [n, h, w, c]", x.str());
  AZ_CHECK(w.defined() && w.rank() == 4 && w.dtype() == x.dtype(), "conv2d: weight is {}, want {} [k, r, s, c]",
           w.str(), dtype_name(x.dtype()));
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
    AZ_CHECK(!t.defined() || (t.shape() == Shape{d.k} && t.dtype() == x.dtype()), "conv2d: {} is {}, want {} [{}]",
             what, t.str(), dtype_name(x.dtype()), d.k);
  };
  per_channel("scale", e.scale);
  per_channel("bias", e.bias);
  AZ_CHECK(!e.residual.defined() ||
               (e.residual.shape() == Shape{d.n, d.oh(), d.ow(), d.k} && e.residual.dtype() == x.dtype()),
           "conv2d: residual is {}, the output is [{}, {}, {}, {}]", e.residual.str(), d.n, d.oh(), d.ow(), d.k);
  return d;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Conv2dOptions& options, const Epilogue& e) {
  const ConvShape d = check_shapes(x, w, options, e);
  Tensor y = Tensor::empty({d.n, d.oh(), d.ow(), d.k}, x.dtype(), x.device());
  x.device().count_flops(d.flops());
  on_cpu("conv2d", x, [&](auto t) {
    using T = decltype(t);
    const cpu::ConvEpilogue after{data_or_null<T>(e.bias), data_or_null<T>(e.residual), e.relu};
    if (uses_dnn<T>(x)) {
      cpu::conv_forward(cpu_device(x), d, x.data<float>(), w.data<float>(), data_or_null<float>(e.scale),
                        identity(w, e.scale), after, y.mutable_data<float>());
    } else {
      cpu::conv_forward_plain(d, x.data<T>(), w.data<T>(), data_or_null<T>(e.scale), after, y.mutable_data<T>());
    }
  });
  return autograd::record<Conv2dNode>(y, {x, w, e.bias, e.residual}, d, x, w, e, y);
}

}  // namespace az::ops
