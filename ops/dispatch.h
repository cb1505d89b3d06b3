// The one place that chooses between devices and element types.
#pragma once

#include "tensor/error.h"
#include "tensor/tensor.h"

namespace az::ops {

/// Error unless the tensor is defined and f32 or f64.
inline void check_float(const char* op, const char* name, const Tensor& t) {
  AZ_CHECK(t.defined() && (t.dtype() == DType::f32 || t.dtype() == DType::f64), "{}: {} is {}, want f32 or f64", op,
           name, t.str());
}

/// Error unless the tensors live on one device.
inline void check_same_device(const char* op, const Tensor& a, const Tensor& b) {
  AZ_CHECK(&a.device() == &b.device(), "{}: {} and {} are on different devices; move one with Tensor::to", op, a.str(),
           b.str());
}

/// Calls f(T{}) with the tensor's element type, on its device: float, or double for gradient checks.
/// A device without kernels in this build is an error that says so.
template <class F>
auto on_cpu(const char* op, const Tensor& t, F&& f) {
  switch (t.device().kind()) {
    case DeviceKind::cpu: break;
    case DeviceKind::cuda: fail("{}: no kernel for {} in this build", op, t.device().name());
  }
  if (t.dtype() == DType::f64) return f(double{});
  AZ_CHECK(t.dtype() == DType::f32, "{}: {} is not f32 or f64", op, t.str());
  return f(float{});
}

}  // namespace az::ops
