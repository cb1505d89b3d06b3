// Convolution on the CPU in f32 and bf16, by the algorithm that a rule of the shape names, and as plain loops for f64
// and as the twin that tests compare with.
#pragma once

#include <optional>
#include <span>

#include "cpu/device.h"
#include "math/conv.h"
#include "math/elementwise.h"
#include "tensor/dtype.h"

namespace az::cpu {

using math::ConvShape;

/// What is applied to the convolution's sums before they are stored; null means absent.
struct ConvEpilogue {
  const void* bias = nullptr;      // [k] f32, f64 beside f64
  const void* residual = nullptr;  // [n, oh, ow, k], added after the bias
  bool relu = false;
  // The rest is for our own algorithms (ConvFuses).
  bool coarse = false;        // residual is [n, oh / 2, ow / 2, k]: each of its pixels is added to a square of 2x2
  const void* cut = nullptr;  // [n, oh, ow, k]: y is 0 where this is not above 0
};

/// A batch of maps of one size. T is float or bf16.
template <class T>
struct ConvMaps {
  int64_t n = 1, h = 0, w = 0;  ///< of x
  const T* x = nullptr;         ///< [n, h, w, c]
  const T* residual = nullptr;  ///< [n, oh, ow, k] or null; may be y
  T* y = nullptr;               ///< [n, oh, ow, k]
  const T* cut = nullptr;       ///< likewise: y is 0 where this is not above 0; of our own algorithms (ConvFuses)
  std::optional<math::ExpScaled<float>> exp = {};  ///< comes last; forward and f32 alone
};

/// Names a weight tensor's contents, so that its packed form can be kept; id 0: do not keep.
struct WeightIdentity {
  uint64_t id = 0;
  uint64_t version = 0;
  uint64_t scale_id = 0;
  uint64_t scale_version = 0;
  const void* data = nullptr;  ///< tells narrows of one storage apart
  bool rounded = false;        ///< to what bf16 holds, after the scale
  bool learning = false;       ///< each training step makes a new version
  bool operator==(const WeightIdentity&) const = default;
};

/// y = relu(conv(x, w * scale) + bias + residual).   x [n,h,w,c], w [k,r,s,c/groups], scale [k] or null, y [n,oh,ow,k]
/// T is float, double (the plain loops) or bf16: then w * scale is rounded to bf16, sums are f32 and y is rounded once.
template <class T>
void conv_forward(CpuDevice& device, const ConvShape& shape, const T* x, const Wide<T>* w, const Wide<T>* scale,
                  const WeightIdentity& identity, const ConvEpilogue& epilogue, T* y);
/// The same for maps of several sizes, as one piece of work; sizes and residuals are those of `maps`.
template <class T>
void conv_forward_levels(CpuDevice& device, const ConvShape& kind, std::span<const ConvMaps<T>> maps, const float* w,
                         const float* scale, const WeightIdentity& identity, const ConvEpilogue& epilogue);
/// What a convolution does while it writes its result, instead of a pass over memory after it.
struct ConvFuses {
  bool coarse = false;  ///< forward: a residual of half the height and width
  bool sum = false;     ///< data gradient: adds another gradient
  bool cut = false;     ///< data gradient: the mask of a ReLU
  bool part = false;    ///< it does both for every stride-th pixel alone; others keep the sum, or are 0 without
};
/// A rule of the shape, for maps of f32 and bf16.
ConvFuses conv_fuses(const CpuDevice& device, const ConvShape& shape, DType maps);

/// What else goes into a data gradient, [n,h,w,c] each; null means absent. Error: conv_fuses says no.
template <class T>
struct ConvGradientAfter {
  const T* sum = nullptr;  ///< is added; may be dx
  const T* cut = nullptr;  ///< dx is 0 where this is not above 0
};
/// dx from dy: the transposed convolution with w * scale.   dy [n,oh,ow,k], dx [n,h,w,c]
template <class T>
void conv_backward_data(CpuDevice& device, const ConvShape& shape, const T* dy, const Wide<T>* w, const Wide<T>* scale,
                        const WeightIdentity& identity, T* dx, const ConvGradientAfter<T>& after = {});
/// The same for maps of several sizes: `maps` have dx's sizes, x is dy, y is dx, and the residual is the sum.
template <class T>
void conv_backward_data_levels(CpuDevice& device, const ConvShape& kind, std::span<const ConvMaps<T>> maps,
                               const float* w, const float* scale, const WeightIdentity& identity);
/// dw (without the scale's factor), which is never rounded to bf16.   x [n,h,w,c], dy [n,oh,ow,k], dw [k,r,s,c/groups]
template <class T>
void conv_backward_weights(CpuDevice& device, const ConvShape& shape, const T* x, const T* dy, Wide<T>* dw);

/// The same three as plain loops with double sums; T is float or double.
template <class T>
void conv_forward_plain(const ConvShape& shape, const T* x, const T* w, const T* scale, const ConvEpilogue& epilogue,
                        T* y);
template <class T>
void conv_backward_data_plain(const ConvShape& shape, const T* dy, const T* w, const T* scale, T* dx);
template <class T>
void conv_backward_weights_plain(const ConvShape& shape, const T* x, const T* dy, T* dw);

}  // namespace az::cpu
