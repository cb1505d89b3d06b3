// exp and log1p without branches or tables, which compilers turn into vector code. libm's take about 10 ns a call.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// exp(x) to 1 ulp where the result is normal (all 2^32 floats were tried against a double exp); gradual underflow
/// below, inf above 88.72, NaN for NaN. x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial in r.
AZ_HD inline float vector_exp(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  // ln 2 in two parts; n times the first is exact.
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;  // the minimax polynomial of Cephes' expf
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float y = p * (r * r) + r + 1.0f;
  // 2^n in two factors, so that neither leaves the range of exponents.
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound);
  const int32_t half = exponent >> 1;
  const float low = std::bit_cast<float>((half + 127) << 23);
  const float high = std::bit_cast<float>((exponent - half + 127) << 23);
  return y * low * high;
}
AZ_HD inline double vector_exp(double x) { return std::exp(x); }

/// log(1 + e) for e in [0, 1], to 2 ulp: 2 atanh(e / (2 + e)), whose series needs seven terms there.
AZ_HD inline float vector_log1p(float e) {
  const float s = e / (2.0f + e);
  const float s2 = s * s;
  float p = 1.0f / 13;
  p = p * s2 + 1.0f / 11;
  p = p * s2 + 1.0f / 9;
  p = p * s2 + 1.0f / 7;
  p = p * s2 + 1.0f / 5;
  p = p * s2 + 1.0f / 3;
  return 2.0f * s + 2.0f * s * (s2 * p);
}
AZ_HD inline double vector_log1p(double e) { return std::log1p(e); }

}  // namespace az::math
