// Normalisation over rows of channels. T is float or double; sums are double and taken in fixed blocks of rows, so that
// the bits do not depend on the number of threads. Memory-bound: the forward pass reads x twice and writes y, the
// backward pass reads x and dy twice and writes dx.
#pragma once

#include <cstdint>
#include <vector>

namespace az::cpu {

/// x [images, rows, channels]; group g of an image is its channels [g * channels / groups, (g + 1) * channels /
/// groups). A batch norm is one "image" of n*h*w rows with a group a channel.
struct NormShape {
  int64_t images, rows, channels, groups;
  int64_t group_channels() const { return channels / groups; }
  int64_t group_size() const { return rows * group_channels(); }
};

/// Mean and biased variance.   x [images, rows, channels] -> mean, variance [images, groups]
template <class T>
void group_moments(const T* x, const NormShape& shape, double* mean, double* variance);

/// scale = weight * rstd, shift = bias - mean * scale.
///   weight, bias [channels]; mean, rstd [images, groups] -> scale, shift [images, channels]
template <class T>
void fold_channels(const T* weight, const T* bias, const double* mean, const double* rstd, const NormShape& shape,
                   T* scale, T* shift);

/// y = scale * x + shift (+ residual), then max(., 0) if relu.
///   x, residual, y [images, rows, channels], residual may be null; scale, shift [images, channels]
template <class T>
void affine_channels(const T* x, const T* scale, const T* shift, const T* residual, bool relu, T* y,
                     const NormShape& shape);

/// Where backward learns which outputs the ReLU cut off.
enum class Gate {
  none,    ///< there was no ReLU
  from_x,  ///< scale * x + shift, computed again with the same rounding
  from_y,  ///< the saved output
};

/// What both backward passes read. x, y, dy [images, rows, channels]; scale, shift [images, channels].
template <class T>
struct NormGradientInput {
  Gate gate = Gate::none;
  const T* dy = nullptr;
  const T* x = nullptr;      ///< for the sums, for slope and offset, and for Gate::from_x
  const T* y = nullptr;      ///< for Gate::from_y
  const T* scale = nullptr;  ///< for Gate::from_x
  const T* shift = nullptr;  ///< for Gate::from_x
};

/// Sums over the rows, a channel each.   [images, channels]
struct ChannelSums {
  std::vector<double> dy;    ///< of dy, where the gate is open
  std::vector<double> dy_x;  ///< of dy * x
};
template <class T>
ChannelSums gradient_sums(const NormGradientInput<T>& in, const NormShape& shape);

/// dx = factor * dy + slope * x + offset with dy gated; slope and offset null stand for zero. The gated dy itself goes
/// to `dresidual` unless that is null.
///   factor, slope, offset [images, channels]; dx, dresidual [images, rows, channels]
template <class T>
void gradient_rows(const NormGradientInput<T>& in, const T* factor, const T* slope, const T* offset, T* dx,
                   T* dresidual, const NormShape& shape);

}  // namespace az::cpu
