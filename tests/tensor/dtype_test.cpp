#include "tensor/dtype.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>

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

TEST_CASE("half: every value is what its fields say") {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31), mantissa = static_cast<int>(bits & 1023);
    const float value = half_to_float(static_cast<uint16_t>(bits));
    const double sign = bits & 0x8000 ? -1 : 1;
    bool same = false;
    if (exponent == 31) {
      same = mantissa ? std::isnan(value) : std::isinf(value) && value * sign > 0;
    } else {
      const double wanted = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
      same = value == sign * wanted && std::signbit(value) == (sign < 0);
    }
    if (!same) FAIL("half ", bits, " became ", value);
  }
}

TEST_CASE("dtype: sizes and names") {
  CHECK(dtype_bytes(DType::f32) == 4);
  CHECK(dtype_bytes(DType::bf16) == 2);
  CHECK(dtype_bytes(DType::f64) == 8);
  CHECK(dtype_bytes(DType::i32) == 4);
  CHECK(dtype_bytes(DType::i64) == 8);
  CHECK(dtype_bytes(DType::u8) == 1);
  CHECK(std::string(dtype_name(DType::bf16)) == "bf16");
  CHECK(dtype_of<bf16> == DType::bf16);
}
