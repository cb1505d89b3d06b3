// Convolution on the CPU: through oneDNN in f32, and as plain loops for f64 and as the twin that tests compare with.
#pragma once

#include "cpu/device.h"
#include "math/conv.h"

namespace az::cpu {

using math::ConvShape;

/// What is applied to the convolution's sums before they are stored; null means absent.
struct ConvEpilogue {
  const void* bias = nullptr;      // [k]
  const void* residual = nullptr;  // [n, oh, ow, k], added after the bias
  bool relu = false;
};

/// Names a weight tensor's contents, so that its packed form can be kept; id 0: do not keep.
struct WeightIdentity {
  uint64_t id = 0;
  uint64_t version = 0;
  uint64_t scale_id = 0;
  uint64_t scale_version = 0;
  const void* data = nullptr;  ///< tells narrows of one storage apart
  bool operator==(const WeightIdentity&) const = default;
};

/// y = relu(conv(x, w * scale) + bias + residual).   x [n,h,w,c], w [k,r,s,c/groups], scale [k] or null, y [n,oh,ow,k]
void conv_forward(CpuDevice& device, const ConvShape& shape, const float* x, const float* w, const float* scale,
                  const WeightIdentity& identity, const ConvEpilogue& epilogue, float* y);
/// dx from dy: the transposed convolution with w * scale.   dy [n,oh,ow,k], dx [n,h,w,c]
void conv_backward_data(CpuDevice& device, const ConvShape& shape, const float* dy, const float* w, const float* scale,
                        const WeightIdentity& identity, float* dx);
/// dw, or dw += that where `add`; of w where the convolution is with w * scale.
/// x [n,h,w,c], dy [n,oh,ow,k], scale [k] or null, dw [k,r,s,c/groups]
void conv_backward_weights(CpuDevice& device, const ConvShape& shape, const float* x, const float* dy,
                           const float* scale, bool add, float* dw);

/// The same three as plain loops with double sums; T is float or double.
template <class T>
void conv_forward_plain(const ConvShape& shape, const T* x, const T* w, const T* scale, const ConvEpilogue& epilogue,
                        T* y);
template <class T>
void conv_backward_data_plain(const ConvShape& shape, const T* dy, const T* w, const T* scale, T* dx);
template <class T>
void conv_backward_weights_plain(const ConvShape& shape, const T* x, const T* dy, T* dw);

}  // namespace az::cpu
