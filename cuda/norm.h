// Normalisation over rows of channels. T is float, bf16, f16 or double; parameters and folded maps are Wide<T>,
// statistics double. Maps are device memory; channels that fill 16 bytes from aligned pointers are fastest. images *
// rows and channels are below 2^31. Sums are double and in an order that depends on the shape and on T only.
#pragma once

#include "cuda/stream.h"
#include "math/norm.h"

namespace az::cuda {

/// Doubles that `measure` and `gradient_sums` want as `workspace`.
int64_t norm_workspace(const math::NormShape& shape);

/// Statistics of x, folded with the parameters; takes them into the running ones unless those are null.
///   x [images, rows, channels]
template <class T>
void measure(Stream& stream, const T* x, const math::NormShape& shape, const math::NormParameters<Wide<T>>& parameters,
             const math::RunningStatistics<Wide<T>>& running, const math::NormMap<Wide<T>>& map, double* workspace);

/// Running statistics folded with the parameters. P is float or double.
template <class P>
void fold_running(Stream& stream, const math::NormParameters<P>& parameters, const P* running_mean,
                  const P* running_var, int64_t channels, const math::NormMap<P>& map);

/// y = scale * x + shift (+ residual), then max(., 0) if relu.
///   x, residual, y [images, rows, channels], residual may be null; scale, shift [images, channels]
template <class T>
void affine_channels(Stream& stream, const T* x, const Wide<T>* scale, const Wide<T>* shift, const T* residual,
                     bool relu, T* y, const math::NormShape& shape);

/// Sums over the rows of dy, where the gate is open, and of dy * x, and what they make.
template <class T>
void gradient_sums(Stream& stream, const math::NormGradientInput<T>& in, const math::NormShape& shape,
                   const math::NormGradientSums<Wide<T>>& out, double* workspace);

/// dx = scale * dy + slope * x + offset with dy gated; slope and offset null stand for zero. The gated dy itself goes
/// to `dresidual` unless that is null.
///   slope, offset [images, channels]; dx, dresidual [images, rows, channels]
template <class T>
void gradient_rows(Stream& stream, const math::NormGradientInput<T>& in, const Wide<T>* slope, const Wide<T>* offset,
                   T* dx, T* dresidual, const math::NormShape& shape);

}  // namespace az::cuda
