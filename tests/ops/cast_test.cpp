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

constexpr DType kFloats[] = {DType::f32, DType::bf16, DType::f64};

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
  CHECK_THROWS_WITH_AS(ops::cast(x, DType::i32), "cast: f32 [4] cpu to i32, want f32, bf16 or f64", Error);
  CHECK_THROWS_WITH_AS(ops::cast(x.to(DType::u8), DType::f32), "cast: x is u8 [4] cpu, want f32, bf16 or f64", Error);
  CHECK(ops::is_host_bf16(ops::cast(x, DType::bf16)));
  CHECK_FALSE(ops::is_host_bf16(x));
}
