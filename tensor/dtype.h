// Element types.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tensor/hd.h"

namespace az {

enum class DType : uint8_t { f32, bf16, f16, f64, i32, i64, u8 };

/// bfloat16: the upper half of an f32. Storage only; arithmetic is done in f32.
struct bf16 {
  uint16_t bits = 0;

  bf16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  AZ_HD explicit bf16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const bool is_nan = (u & 0x7fffffffU) > 0x7f800000U;
    const uint32_t rounded = u + 0x7fffU + ((u >> 16) & 1U);
    bits = static_cast<uint16_t>(is_nan ? (u >> 16) | 0x40U : rounded >> 16);
  }
  AZ_HD explicit operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

/// IEEE 754 binary16: 5 bits of exponent, 10 of mantissa; 6e-8 to 65504. Storage only; arithmetic is done in f32.
struct f16 {
  uint16_t bits = 0;

  f16() = default;
  /// Rounds to nearest, ties to even; beyond 65520 infinity; NaN stays NaN. The three cases are selected, not branched
  /// to, so that loops over it are vectorised.
  AZ_HD explicit f16(float value) {
#ifdef __CUDA_ARCH__
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
#else
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const uint32_t magnitude = u & 0x7fffffffU;
    // From 2^-14 on: 13 bits fewer, and the exponent's bias by 112 less. A carry moves into the exponent, at the end
    // into infinity's.
    const uint32_t normal = (magnitude + 0xfffU + ((magnitude >> 13) & 1U) - (112U << 23)) >> 13;
    // Below: a multiple of 2^-24, which is the last bit of floats from 0.5 to 1, so that the sum rounds.
    const uint32_t small = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000U;
    const uint32_t huge = magnitude > 0x7f800000U ? 0x7e00U | ((magnitude >> 13) & 0x3ffU) : 0x7c00U;
    const uint32_t finite = magnitude < 0x38800000U ? small : normal;
    bits = static_cast<uint16_t>((u >> 16 & 0x8000U) | (magnitude >= 0x47800000U ? huge : finite));
#endif
  }
  /// Exact.
  AZ_HD explicit operator float() const {
#ifdef __CUDA_ARCH__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
#else
    const uint32_t magnitude = bits & 0x7fffU;
    const uint32_t small = std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24F);
    const uint32_t bias = magnitude >= 0x7c00U ? 224U << 23 : 112U << 23;
    const uint32_t wide = magnitude < 0x400U ? small : (magnitude << 13) + bias;
    return std::bit_cast<float>(static_cast<uint32_t>(bits & 0x8000U) << 16 | wide);
#endif
  }
};

/// Whether elements are half an f32 wide, bf16 or f16: stored so, computed in f32.
constexpr bool is_half(DType dtype) { return dtype == DType::bf16 || dtype == DType::f16; }
template <class T>
inline constexpr bool is_half_type = std::is_same_v<T, bf16> || std::is_same_v<T, f16>;

/// The type in which arithmetic on elements of type T is done: float, or double for double.
template <class T>
struct WideOf {
  using type = float;
};
template <>
struct WideOf<double> {
  using type = double;
};
template <class T>
using Wide = typename WideOf<T>::type;

/// Bytes of one element.
constexpr int64_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32: return 4;
    case DType::bf16:
    case DType::f16: return 2;
    case DType::f64:
    case DType::i64: return 8;
    case DType::u8: return 1;
  }
  return 0;
}

constexpr const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "f32";
    case DType::bf16: return "bf16";
    case DType::f16: return "f16";
    case DType::f64: return "f64";
    case DType::i32: return "i32";
    case DType::i64: return "i64";
    case DType::u8: return "u8";
  }
  return "?";
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<bf16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<f16> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};

/// The DType of a C++ element type.
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

}  // namespace az
