// Elementary functions from additions, products and divisions alone, so that a generated set has the same bytes on
// every machine: the C library's own differ in the last bit between processors. The float ones have no branches and
// vectorise inside a loop.
#pragma once

#include <algorithm>
#include <cmath>

#include "tensor/rng.h"

namespace az::data::synth {

inline float mix(float a, float b, float t) { return a + (b - a) * t; }
inline float saturate(float x) { return std::min(std::max(x, 0.0F), 1.0F); }

/// 0 below `low`, 1 above `high`, smooth between.
inline float smooth_step(float low, float high, float x) {
  const float t = saturate((x - low) / (high - low));
  return t * t * (3.0F - 2.0F * t);
}

/// sin(2 pi t) for |t| < 1e5, error below 4e-6.
inline float sin_turns(float t) {
  const float x = t - std::floor(t + 0.5F);                     // [-1/2, 1/2)
  const float a = std::min(std::fabs(x), 0.5F - std::fabs(x));  // the sine is even about a quarter turn
  const float q = a * a;
  const float y =
      a * (6.2831853F + q * (-41.341702F + q * (81.605249F + q * (-76.705860F + q * (42.058694F - q * 15.094643F)))));
  return x < 0.0F ? -y : y;
}
inline float cos_turns(float t) { return sin_turns(t + 0.25F); }

/// The angle of (x, y) in turns, [-1/2, 1/2], error below 3e-4; 0 at the origin.
inline float angle_turns(float y, float x) {
  const float ax = std::fabs(x);
  const float ay = std::fabs(y);
  const float t = std::min(ax, ay) / std::max(std::max(ax, ay), 1e-12F);
  // atan(t) = pi/4 t + t (1 - t) (0.2447 + 0.0663 t): Rajan et al., IEEE Signal Processing Magazine 23 (2006).
  float a = (0.78539816F * t + t * (1.0F - t) * (0.2447F + 0.0663F * t)) * 0.15915494F;
  a = ay > ax ? 0.25F - a : a;
  a = x < 0.0F ? 0.5F - a : a;
  return y < 0.0F ? -a : a;
}

/// e^x for |x| < 700: the series at x / 1024, squared ten times.
inline double portable_exp(double x) {
  const double y = x / 1024;
  double sum = 1;
  for (int k = 9; k >= 1; --k) sum = 1 + y / k * sum;
  for (int k = 0; k < 10; ++k) sum *= sum;
  return sum;
}

/// ln x for x > 0.
inline double portable_log(double x) {
  int exponent = 0;
  const double m = std::frexp(x, &exponent);  // exact; [1/2, 1)
  const double y = (m - 1) / (m + 1);
  double sum = 0;
  for (int k = 35; k >= 1; k -= 2) sum = sum * y * y + 1.0 / k;
  return 2 * y * sum + exponent * 0.693147180559945309;
}

/// x^power for x >= 0.
inline double portable_pow(double x, double power) { return x <= 0 ? 0 : portable_exp(power * portable_log(x)); }

/// About normal with mean 0 and variance 1: the sum of twelve uniform values.
inline double normal12(Rng& rng) {
  double sum = -6;
  for (int k = 0; k < 12; ++k) sum += rng.uniform();
  return sum;
}

inline double log_uniform(Rng& rng, double low, double high) {
  return low * portable_exp(rng.uniform() * portable_log(high / low));
}

}  // namespace az::data::synth
