#include "tensor/dtype.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace az;

TEST_CASE("bf16: every value survives f32, and rounding is to nearest even") {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    bf16 value;
    value.bits = static_cast<uint16_t>(bits);
    const float wide = static_cast<float>(value);
    if (std::isnan(wide)) {
      CHECK(std::isnan(static_cast<float>(bf16(wide))));
    } else if (bf16(wide).bits != bits) {
      FAIL("bf16 ", bits, " became ", bf16(wide).bits);
    }
  }
  CHECK(bf16(1.0F + 0x1p-8F).bits == bf16(1.0F).bits);                        // a tie, down to even
  CHECK(static_cast<float>(bf16(1.0F + 3 * 0x1p-8F)) == 1.0F + 4 * 0x1p-8F);  // a tie, up to even
  CHECK(static_cast<float>(bf16(1.0F + 0x1p-8F + 0x1p-20F)) == 1.0F + 0x1p-7F);
  CHECK(std::isinf(static_cast<float>(bf16(std::numeric_limits<float>::max()))));
  CHECK(std::isnan(static_cast<float>(bf16(std::bit_cast<float>(0x7f800001U)))));  // its payload is in the lost half
  CHECK(std::signbit(static_cast<float>(bf16(-0.0F))));
}

namespace {

f16 f16_of(uint32_t bits) {
  f16 value;
  value.bits = static_cast<uint16_t>(bits);
  return value;
}

/// What an f16 without its sign stands for; infinity as the next power of two, where rounding up leads.
double f16_magnitude(uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31), mantissa = static_cast<int>(bits & 1023);
  return exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
}

}  // namespace

TEST_CASE("f16: every value is what its fields say") {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31), mantissa = static_cast<int>(bits & 1023);
    const auto value = static_cast<float>(f16_of(bits));
    const double sign = bits & 0x8000 ? -1 : 1;
    bool same = false;
    if (exponent == 31) {
      same = mantissa ? std::isnan(value) : std::isinf(value) && value * sign > 0;
    } else {
      same = value == sign * f16_magnitude(bits & 0x7fff) && std::signbit(value) == (sign < 0);
    }
    if (!same) FAIL("f16 ", bits, " became ", value);
  }
}

TEST_CASE("f16: every value survives f32, and what lies between two goes to the nearer, halfway to the even one") {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const double low = f16_magnitude(bits), high = f16_magnitude(bits + 1);
    const auto middle = static_cast<float>((low + high) / 2);  // exact: 12 bits
    for (const float sign : {1.0F, -1.0F}) {
      const uint32_t s = sign < 0 ? 0x8000U : 0U;
      const auto becomes = [&](float value, uint32_t want) {
        if (f16(sign * value).bits != (want | s)) FAIL(sign * value, " became ", f16(sign * value).bits);
      };
      becomes(static_cast<float>(low), bits);
      becomes(std::nextafter(middle, 0.0F), bits);
      becomes(middle, bits + (bits & 1));
      becomes(std::nextafter(middle, INFINITY), bits + 1);
      becomes(std::nextafter(static_cast<float>(high), 0.0F), bits + 1);
    }
  }
  CHECK(f16(65504.0F).bits == 0x7bff);
  CHECK(f16(std::numeric_limits<float>::max()).bits == 0x7c00);
  CHECK(f16(-INFINITY).bits == 0xfc00);
  CHECK(f16(std::numeric_limits<float>::denorm_min()).bits == 0);
  for (const uint32_t nan : {0x7f800001U, 0x7fc00000U, 0xffffffffU}) {
    const f16 value(std::bit_cast<float>(nan));  // the first one's payload is in the lost bits
    CHECK((value.bits & 0x7fffU) > 0x7c00U);
    CHECK(std::isnan(static_cast<float>(value)));
  }
}

TEST_CASE("f16: a walk over all f32 is rounded to the nearest value") {
  std::vector<double> magnitudes;  // of all finite values, and where infinity begins
  for (uint32_t bits = 0; bits <= 0x7c00; ++bits) magnitudes.push_back(f16_magnitude(bits));
  for (uint64_t u = 0; u < 0x7f800000U; u += 9973) {  // a prime, so that low bits vary
    const double value = std::bit_cast<float>(static_cast<uint32_t>(u));
    const auto above = std::ranges::lower_bound(magnitudes, value);
    uint32_t want = 0x7c00;
    if (above != magnitudes.end()) {
      want = static_cast<uint32_t>(above - magnitudes.begin());
      if (want > 0) {
        const double down = value - magnitudes[want - 1], up = magnitudes[want] - value;
        want -= down < up || (down == up && want % 2 == 1);
      }
    }
    if (f16(static_cast<float>(value)).bits != want) FAIL(value, " became ", f16(static_cast<float>(value)).bits);
  }
}

TEST_CASE("dtype: sizes and names") {
  CHECK(dtype_bytes(DType::f32) == 4);
  CHECK(dtype_bytes(DType::bf16) == 2);
  CHECK(dtype_bytes(DType::f64) == 8);
  CHECK(dtype_bytes(DType::i32) == 4);
  CHECK(dtype_bytes(DType::i64) == 8);
  CHECK(dtype_bytes(DType::u8) == 1);
  CHECK(dtype_bytes(DType::f16) == 2);
  CHECK(std::string(dtype_name(DType::bf16)) == "bf16");
  CHECK(std::string(dtype_name(DType::f16)) == "f16");
  CHECK(dtype_of<f16> == DType::f16);
  CHECK(is_half(DType::f16));
  CHECK_FALSE(is_half(DType::u8));
  CHECK(dtype_of<bf16> == DType::bf16);
}
