// Normalisation: statistics of a group, and its gradient, from sums. Sums are double whatever the elements are.
//
// A map is [images, rows, channels]; group g of an image is its channels [g * channels / groups, (g + 1) * channels /
// groups). A batch norm is one "image" of n*h*w rows with a group a channel. Parameters are of type P: f32, f64 where
// the map is f64.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/hd.h"

namespace az::math {

struct NormShape {
  int64_t images, rows, channels, groups;
  AZ_HD int64_t group_channels() const { return channels / groups; }
  AZ_HD int64_t group_size() const { return rows * group_channels(); }
};

template <class P>
struct NormParameters {
  const P *weight, *bias;  ///< [channels]
  double eps;
};

/// A batch norm's running statistics.   [channels]; null: none
template <class P>
struct RunningStatistics {
  P *mean = nullptr, *var = nullptr;
  double momentum = 0;
};

/// What a norm has found out: statistics, and the map y = scale * x + shift that they and the parameters make.
template <class P>
struct NormMap {
  double *mean, *rstd;  ///< [images, groups]; both may be null where a function only writes scale and shift
  P *scale, *shift;     ///< [images, channels]
};

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
  const T* x = nullptr;            ///< for the sums, for slope and offset, and for Gate::from_x
  const T* y = nullptr;            ///< for Gate::from_y
  const Wide<T>* scale = nullptr;  ///< of dy in dx, and for Gate::from_x
  const Wide<T>* shift = nullptr;  ///< for Gate::from_x
};

/// What backward makes of the sums over rows; null where it is not wanted.
template <class P>
struct NormGradientSums {
  const P* weight;            ///< [channels]
  const double *mean, *rstd;  ///< [images, groups]
  P *slope, *offset;          ///< [images, channels], see GroupGradient
  P *dweight, *dbias;         ///< [channels]
};

/// Mean and biased variance of `count` values from their sum and the sum of their squares.
struct Moments {
  double mean, variance;
  AZ_HD Moments(double sum, double square, int64_t count)
      : mean(sum / static_cast<double>(count)), variance(square / static_cast<double>(count) - mean * mean) {
    if (variance < 0) variance = 0;  // rounding, when all values are nearly equal
  }
};

AZ_HD inline double inverse_deviation(double variance, double eps) { return 1 / std::sqrt(variance + eps); }

/// A running statistic after one more batch's value times `correction`.
AZ_HD inline double running(double before, double value, double momentum, double correction) {
  return (1 - momentum) * before + momentum * correction * value;
}
/// Makes the biased variance of `count` values unbiased.
AZ_HD inline double unbiased(int64_t count) { return static_cast<double>(count) / static_cast<double>(count - 1); }

/// y = scale * x + shift is the norm of one channel.
struct ChannelAffine {
  double scale, shift;
  AZ_HD ChannelAffine(double weight, double bias, double mean, double rstd)
      : scale(weight * rstd), shift(bias - mean * rstd * weight) {}
};

/// dx = weight * rstd * dy + slope * x + offset, the same slope and offset for a whole group:
///   dx = rstd * (g - mean(g) - xn * mean(g * xn)), g = weight * dy, xn = (x - mean) * rstd, means over the group.
struct GroupGradient {
  double slope, offset;
  /// sum_g, sum_gx: sums of g and of g * x over the group's `count` elements.
  AZ_HD GroupGradient(double sum_g, double sum_gx, double mean, double rstd, int64_t count) {
    const double inverse = 1 / static_cast<double>(count);
    slope = -(sum_gx - mean * sum_g) * rstd * rstd * rstd * inverse;
    offset = -sum_g * rstd * inverse - slope * mean;
  }
};

/// What a channel's sums of dy and of dy * x add to its dweight = sum of dy * (x - mean) * rstd.
AZ_HD inline double weight_gradient(double sum_dy, double sum_dy_x, double mean, double rstd) {
  return (sum_dy_x - sum_dy * mean) * rstd;
}

/// max(v, low) that keeps a NaN; low is 0 for a ReLU and -inf for none.
template <class T>
AZ_HD T at_least(T v, T low) {
  return v < low ? low : v;
}

}  // namespace az::math
