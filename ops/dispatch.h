// The one place that chooses between devices and element types.
#pragma once

#include "cuda/build.h"
#include "cuda/device.h"
#include "tensor/error.h"
#include "tensor/tensor.h"

namespace az::ops {

/// Error unless the tensor is defined and f32 or f64.
inline void check_float(const char* op, const char* name, const Tensor& t) {
  AZ_CHECK(t.defined() && (t.dtype() == DType::f32 || t.dtype() == DType::f64), "{}: {} is {}, want f32 or f64", op,
           name, t.str());
}

/// Error unless the tensor is defined and f32, bf16, f16 or f64.
inline void check_activation(const char* op, const char* name, const Tensor& t) {
  AZ_CHECK(t.defined() && (t.dtype() == DType::f32 || is_half(t.dtype()) || t.dtype() == DType::f64),
           "{}: {} is {}, want f32, bf16, f16 or f64", op, name, t.str());
}

/// Error unless kernels can count a map's rows, and the elements of a row, in 32 bits.
inline void check_map_size(const char* op, const Tensor& x, int64_t rows, int64_t row_elements) {
  AZ_CHECK(rows < (int64_t{1} << 31) && row_elements < (int64_t{1} << 31),
           "{}: x is {}: {} rows of {} elements, want fewer than 2^31 of each", op, x.str(), rows, row_elements);
}

/// Error unless the tensors live on one device.
inline void check_same_device(const char* op, const Tensor& a, const Tensor& b) {
  AZ_CHECK(&a.device() == &b.device(), "{}: {} and {} are on different devices; move one with Tensor::to", op, a.str(),
           b.str());
}

/// Whether an op may write its result over `x`, which it took by value: on the CPU, where nobody else holds x.
inline bool may_overwrite(const Tensor& x) { return x.is_only_owner() && x.device().kind() == DeviceKind::cpu; }

/// Calls f(T{}) with the tensor's element type, for an op that runs on the host: float, or double for gradient checks.
template <class F>
auto on_cpu(const char* op, const Tensor& t, F&& f) {
  AZ_CHECK(t.device().kind() == DeviceKind::cpu, "{}: no kernel for {}", op, t.device().name());
  if (t.dtype() == DType::f64) return f(double{});
  AZ_CHECK(t.dtype() == DType::f32, "{}: {} is not f32 or f64", op, t.str());
  return f(float{});
}

/// Calls cpu(T{}) or cuda(device, T{}) by the tensor's device, T being its element type: float, or double for gradient
/// checks. Both must return the same type. `cuda` takes (cuda::CudaDevice& device, auto t) and must be generic: a build
/// without CUDA does not instantiate it.
template <class Cpu, class Cuda>
auto on_device(const char* op, const Tensor& t, Cpu&& cpu, Cuda&& cuda) {
  if (t.device().kind() == DeviceKind::cpu) return on_cpu(op, t, cpu);
  if constexpr (cuda::kBuilt) {
    cuda::CudaDevice& device = cuda::device_of(t.device());
    if (t.dtype() == DType::f64) return cuda(device, double{});
    AZ_CHECK(t.dtype() == DType::f32, "{}: {} is not f32 or f64", op, t.str());
    return cuda(device, float{});
  } else {
    fail("{}: {} is on {}, which this build has no kernels for", op, t.str(), t.device().name());
  }
}

/// The same where the op also takes bf16 and f16 on the CUDA device: T may be either there.
template <class Cpu, class Cuda>
auto on_device_half(const char* op, const Tensor& t, Cpu&& cpu, Cuda&& cuda) {
  if constexpr (cuda::kBuilt) {
    if (t.device().kind() == DeviceKind::cuda && t.dtype() == DType::bf16)
      return cuda(cuda::device_of(t.device()), bf16{});
    if (t.device().kind() == DeviceKind::cuda && t.dtype() == DType::f16)
      return cuda(cuda::device_of(t.device()), f16{});
  }
  return on_device(op, t, cpu, cuda);
}

/// The same where the op takes bf16 on the CPU too: T may be bf16 on both devices, f16 on the CUDA device.
template <class Cpu, class Cuda>
auto on_device_bf16(const char* op, const Tensor& t, Cpu&& cpu, Cuda&& cuda) {
  if (t.device().kind() == DeviceKind::cpu && t.dtype() == DType::bf16) return cpu(bf16{});
  return on_device_half(op, t, cpu, cuda);
}

/// Calls cpu() or cuda(device) by the tensor's device, whatever its element type. `cuda` must be generic, as above.
template <class Cpu, class Cuda>
auto by_device(const char* op, const Tensor& t, Cpu&& cpu, Cuda&& cuda) {
  if (t.device().kind() == DeviceKind::cpu) return cpu();
  if constexpr (cuda::kBuilt) {
    return cuda(cuda::device_of(t.device()));
  } else {
    fail("{}: {} is on {}, which this build has no kernels for", op, t.str(), t.device().name());
  }
}

}  // namespace az::ops
