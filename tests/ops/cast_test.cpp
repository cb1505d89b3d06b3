#include "ops/cast.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "autograd/node.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tests/support/devices.h"
#include "tests/support/grad_check.h"

using namespace az;

namespace {

constexpr DType kFloats[] = {DType::f32, DType::bf16, DType::f16, DType::f64};

/// x in another type by way of the host's own conversion, as f64.
std::vector<double> reference(const Tensor& x, DType to) { return x.to(to).to(DType::f64).to_vector<double>(); }

}  // namespace

TEST_CASE("cast rounds as the host does, for every pair of types, odd sizes and unaligned views") {
  for (Device* device : test::devices(test::Against::both))
    for (const int64_t n : {0, 1, 31, 32, 33, 257, 40003})
      for (const DType from : kFloats)
        for (const DType to : kFloats) {
          const test::Sizes sizes{n};
          CAPTURE(n);
          const Tensor x = test::uniform({n + 1}, -6, 6, from, *device).narrowed(1, n);
          const Tensor y = ops::cast(x, to);
          CHECK(y.dtype() == to);
          CHECK(y.shape() == x.shape());
          CHECK(y.to(DType::f64).to_vector<double>() == reference(x, to));
        }
}

TEST_CASE("cast to bf16 rounds ties to even and keeps infinities and NaN") {
  const float above = std::bit_cast<float>(0x3f808000U);  // halfway between 1 and the next bf16
  const std::vector<float> in = {above, std::bit_cast<float>(0x3f818000U), 3.4e38F, -INFINITY, NAN, -0.0F};
  for (Device* device : test::devices()) {
    const Tensor y = ops::cast(Tensor::from(in, {6}, *device), DType::bf16);
    std::vector<uint16_t> bits;
    for (const bf16 v : y.to_vector<bf16>()) bits.push_back(v.bits);
    CHECK(bits[0] == 0x3f80);
    CHECK(bits[1] == 0x3f82);
    CHECK(bits[2] == 0x7f80);  // rounds up to infinity
    CHECK(bits[3] == 0xff80);
    CHECK(std::isnan(static_cast<float>(y.to_vector<bf16>()[4])));
    CHECK(bits[5] == 0x8000);
  }
}

TEST_CASE("cast between f16 and f32 goes both ways for every bit pattern, on every device") {
  std::vector<f16> all(0x10000);
  for (uint32_t bits = 0; bits < all.size(); ++bits) all[bits].bits = static_cast<uint16_t>(bits);
  for (Device* device : test::devices()) {
    const Tensor x = Tensor::from(all, {0x10000}, *device);
    const Tensor wide = ops::cast(x, DType::f32);
    const auto back = ops::cast(wide, DType::f16).to_vector<f16>();
    const auto values = wide.to_vector<float>();
    int64_t wrong = 0;
    for (uint32_t bits = 0; bits < all.size(); ++bits) {
      const bool nan = (bits & 0x7fffU) > 0x7c00U;
      wrong += nan ? !std::isnan(values[bits]) || (back[bits].bits & 0x7fffU) <= 0x7c00U
                   : values[bits] != static_cast<float>(all[bits]) || back[bits].bits != bits;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("cast to f16 rounds ties to even, overflows to infinity and keeps subnormals") {
  const std::vector<float> in = {1 + 0x1p-11F, 1 + 3 * 0x1p-11F, 65519.99F, 65520, -1e9F, NAN,
                                 -0.0F,        0x1p-25F,         0x1.8p-24F};
  for (Device* device : test::devices()) {
    const auto y = ops::cast(Tensor::from(in, {9}, *device), DType::f16).to_vector<f16>();
    CHECK(y[0].bits == 0x3c00);
    CHECK(y[1].bits == 0x3c02);
    CHECK(y[2].bits == 0x7bff);  // the largest, 65504
    CHECK(y[3].bits == 0x7c00);
    CHECK(y[4].bits == 0xfc00);
    CHECK(std::isnan(static_cast<float>(y[5])));
    CHECK(y[6].bits == 0x8000);
    CHECK(y[7].bits == 0);  // half of the smallest
    CHECK(y[8].bits == 2);
  }
}

TEST_CASE("cast hands the gradient back in the type of its input") {
  for (Device* device : test::devices()) {
    Tensor x = test::uniform({33}, -1, 1, DType::f32, *device, 3);
    const Tensor w = test::uniform({33}, -1, 1, DType::f32, *device, 4);
    autograd::set_requires_grad(x, true);
    autograd::backward(ops::weighted_sum(ops::cast(ops::cast(x, DType::bf16), DType::f32), w));
    const Tensor dx = autograd::grad(x);
    CHECK(dx.dtype() == DType::f32);
    CHECK(dx.to(DType::f64).to_vector<double>() == reference(w, DType::bf16));  // passed through bf16 once
  }
}

TEST_CASE("cast to the same type is the tensor itself, and other types are errors") {
  Device& dev = test::cpu();
  const Tensor x = test::uniform({4}, -1, 1, DType::f32, dev);
  CHECK(ops::cast(x, DType::f32).shares_storage_with(x));
  CHECK_THROWS_WITH_AS(ops::cast(x, DType::i32), "cast: f32 [4] cpu to i32, want f32, bf16, f16 or f64", Error);
  CHECK_THROWS_WITH_AS(ops::cast(x.to(DType::u8), DType::f32), "cast: x is u8 [4] cpu, want f32, bf16, f16 or f64",
                       Error);
  for (const DType half : {DType::bf16, DType::f16}) CHECK(ops::is_host_half(ops::cast(x, half)));
  CHECK_FALSE(ops::is_host_half(x));
}
