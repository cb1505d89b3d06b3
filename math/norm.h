// Normalisation: statistics of a group, and its gradient, from sums. Sums are double whatever the elements are.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// Mean and biased variance of `count` values from their sum and the sum of their squares.
struct Moments {
  double mean, variance;
  AZ_HD Moments(double sum, double square, int64_t count)
      : mean(sum / static_cast<double>(count)), variance(square / static_cast<double>(count) - mean * mean) {
    if (variance < 0) variance = 0;  // rounding, when all values are nearly equal
  }
};

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

/// max(v, low) that keeps a NaN; low is 0 for a ReLU and -inf for none.
template <class T>
AZ_HD T at_least(T v, T low) {
  return v < low ? low : v;
}

}  // namespace az::math
