// Normalisation over rows of channels. T is float, double or bf16; parameters and folded maps are Wide<T>. Sums are
// double and taken in fixed blocks of rows, so that the bits do not depend on the number of threads. Memory-bound: the
// forward pass reads x twice and writes y, the backward pass reads x and dy twice and writes dx.
#pragma once

#include "math/norm.h"

namespace az::cpu {

using math::Gate;
using math::NormGradientInput;
using math::NormShape;

/// Statistics of x, folded with the parameters; takes them into the running ones unless those are null.
///   x [images, rows, channels]
template <class T>
void measure(const T* x, const NormShape& shape, const math::NormParameters<Wide<T>>& parameters,
             const math::RunningStatistics<Wide<T>>& running, const math::NormMap<Wide<T>>& map);

/// Running statistics folded with the parameters. P is float or double.
template <class P>
void fold_running(const math::NormParameters<P>& parameters, const P* running_mean, const P* running_var,
                  int64_t channels, const math::NormMap<P>& map);

/// y = scale * x + shift (+ residual), then max(., 0) if relu. y may be x or the residual.
///   x, residual, y [images, rows, channels], residual may be null; scale, shift [images, channels]
template <class T>
void affine_channels(const T* x, const Wide<T>* scale, const Wide<T>* shift, const T* residual, bool relu, T* y,
                     const NormShape& shape);

/// Sums over the rows of dy, where the gate is open, and of dy * x, and what they make.
template <class T>
void gradient_sums(const NormGradientInput<T>& in, const NormShape& shape, const math::NormGradientSums<Wide<T>>& out);

/// dx = scale * dy + slope * x + offset with dy gated; slope and offset null stand for zero. The gated dy itself goes
/// to `dresidual` unless that is null; then dx may be dy.
///   slope, offset [images, channels]; dx, dresidual [images, rows, channels]
template <class T>
void gradient_rows(const NormGradientInput<T>& in, const Wide<T>* slope, const Wide<T>* offset, T* dx, T* dresidual,
                   const NormShape& shape);

}  // namespace az::cpu
