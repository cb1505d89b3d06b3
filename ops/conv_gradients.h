// The gradients of a convolution one by one, each a span of its own in a profile, and what they share with the forward
// pass.
#pragma once

#include "autograd/node.h"
#include "cpu/conv.h"
#include "math/conv.h"
#include "tensor/tensor.h"

namespace az::ops::conv {

using math::ConvShape;

/// The elements, or null for an undefined tensor.
template <class T>
const T* data_or_null(const Tensor& t) {
  return t.defined() ? t.data<T>() : nullptr;
}

inline cpu::CpuDevice& cpu_device(const Tensor& t) { return static_cast<cpu::CpuDevice&>(t.device()); }

/// A weight is packed once a version; `learning`: each training step makes a new one.
inline cpu::WeightIdentity identity(const Tensor& w, const Tensor& scale, bool learning) {
  cpu::WeightIdentity named{w.storage_id(), w.version(), scale.storage_id(), scale.version(), w.raw()};
  named.learning = learning;
  return named;
}

/// The type of weights, bias and scale beside activations of this type.
inline DType parameter_type(DType activation) { return is_half(activation) ? DType::f32 : activation; }

/// What a convolution of x's kind does on the way.
inline cpu::ConvFuses fuses(const Tensor& x, const ConvShape& d) {
  return x.device().kind() == DeviceKind::cpu ? cpu::conv_fuses(cpu_device(x), d, x.dtype()) : cpu::ConvFuses{};
}

/// dy where y > 0, else zero; in place where nobody else holds dy.
Tensor masked(const Tensor& y, const Tensor& dy);

/// dx. `packed`: the weights as the CUDA library takes them, on the CUDA device. `learning`: w has a gradient too.
/// `on_way`: where fuses() allows it; dx takes the place of the sum where nobody else holds that.
///   dy [n, oh, ow, k], w [k, r, s, c / groups], scale [k] or undefined -> [n, h, w, c]
Tensor data_gradient(const ConvShape& d, const Tensor& dy, const Tensor& w, const Tensor& scale, const Tensor& packed,
                     bool learning, const autograd::Arrived& on_way);

/// dw [k, r, s, c / groups], f32 beside a half dy. Added to `sum`, where that is given and f32 maps are on the CPU: the
/// result is undefined then. `weight`: the storage that profiles name.
Tensor weight_gradient(const ConvShape& d, const Tensor& x, const Tensor& dy, const Tensor& scale, uint64_t weight,
                       Tensor* sum);

/// dy's sums over all pixels, [k].
Tensor bias_gradient(const Tensor& dy, int64_t k);

/// Of a coarse residual: the sums over the squares of 2x2 pixels that a pixel was added to. On the CPU, in f32.
Tensor coarse_gradient(const Tensor& dy);

}  // namespace az::ops::conv
