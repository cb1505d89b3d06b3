#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tensor/error.h"
#include "tests/support/devices.h"

using namespace az;

TEST_CASE("tensor: a narrow shares storage and sees writes") {
  Tensor t = Tensor::full({4, 3}, 1.0, DType::f32, test::cpu());
  Tensor rows = t.narrowed(1, 2);
  rows.mutable_data<float>()[0] = 5;
  CHECK(t.to_vector<float>()[3] == 5.0F);
  CHECK(rows.shape() == Shape({2, 3}));
  CHECK(rows.shares_storage_with(t));
  CHECK(t.narrowed(4, 0).numel() == 0);
  CHECK_THROWS_WITH_AS(t.narrowed(3, 2), "narrow: rows 3 to 5 of f32 [4, 3] cpu, which has 4", Error);
  CHECK_THROWS_WITH_AS(t.narrowed(-1, 1), "narrow: rows -1 to 0 of f32 [4, 3] cpu, which has 4", Error);
}

TEST_CASE("tensor: views of views, clones and copies") {
  for (Device* device : test::devices()) {
    const Tensor t = Tensor::from(std::vector<int32_t>{0, 1, 2, 3, 4, 5}, {3, 2}, *device);
    const Tensor inner = t.narrowed(1, 2).narrowed(1, 1).reshaped({2, 1});
    CHECK(inner.to_vector<int32_t>() == std::vector{4, 5});
    const Tensor own = inner.clone();
    CHECK_FALSE(own.shares_storage_with(t));
    CHECK(own.to_vector<int32_t>() == std::vector{4, 5});
    Tensor into = Tensor::zeros({2, 1}, DType::i32, *device);
    into.copy_from(inner);
    CHECK(into.to_vector<int32_t>() == std::vector{4, 5});
    CHECK_THROWS_WITH_AS(into.copy_from(t), doctest::Contains("copy_from: i32 [3, 2]"), Error);
    CHECK_THROWS_WITH_AS(t.reshaped({7}), doctest::Contains("has 6 elements, [7] has 7"), Error);
  }
}

TEST_CASE("tensor: writes raise the version of the storage, reads do not") {
  Tensor t = Tensor::zeros({2}, DType::f32, test::cpu());
  const Tensor same = t.detached();
  const uint64_t before = t.version();
  static_cast<void>(t.data<float>());
  CHECK(t.version() == before);
  static_cast<void>(t.mutable_data<float>());
  CHECK(same.version() == before + 1);
  CHECK(t.storage_id() == same.storage_id());
  CHECK(t.clone().storage_id() != t.storage_id());
}

TEST_CASE("tensor: conversions clamp to integers and keep special values") {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor f = Tensor::from(std::vector<float>{-1.9F, 2.9F, inf, -inf, NAN, 300}, {6}, test::cpu());
  CHECK(f.to(DType::u8).to_vector<uint8_t>() == std::vector<uint8_t>{0, 2, 255, 0, 0, 255});
  CHECK(f.to(DType::i32).to_vector<int32_t>() == std::vector{-1, 2, INT32_MAX, INT32_MIN, 0, 300});
  CHECK(f.to(DType::i64).to_vector<int64_t>() == std::vector<int64_t>{-1, 2, INT64_MAX, INT64_MIN, 0, 300});
  CHECK(f.to(DType::bf16).to(DType::f32).to_vector<float>()[5] == 300.0F);
  CHECK(f.to(DType::f16).to(DType::f32).to_vector<float>()[5] == 300.0F);
  CHECK(std::isnan(f.to(DType::f16).to(DType::f64).to_vector<double>()[4]));
  CHECK(std::isnan(f.to(DType::bf16).to(DType::f64).to_vector<double>()[4]));
  const Tensor big = Tensor::from(std::vector<int64_t>{INT64_MAX, -5, 256}, {3}, test::cpu());
  CHECK(big.to(DType::i32).to_vector<int32_t>() == std::vector{INT32_MAX, -5, 256});
  CHECK(big.to(DType::u8).to_vector<uint8_t>() == std::vector<uint8_t>{255, 0, 255});
  CHECK(f.to(DType::f32).shares_storage_with(f));
}

TEST_CASE("tensor: misuse is an error that says what and where") {
  const Tensor none;
  CHECK(none.str() == "undefined");
  CHECK_THROWS_WITH_AS(none.raw(), "tensor: an undefined tensor has no elements", Error);
  CHECK_THROWS_WITH_AS(none.item(), "tensor: item() wants one element, undefined has 0", Error);
  CHECK_THROWS_WITH_AS(none.clone(), "tensor: an undefined tensor has no device", Error);
  const Tensor t = Tensor::zeros({2}, DType::f32, test::cpu());
  CHECK_THROWS_WITH_AS(t.data<int32_t>(), "tensor: f32 [2] cpu read as i32", Error);
  CHECK_THROWS_WITH_AS(t.to_vector<uint8_t>(), "tensor: f32 [2] cpu read as u8", Error);
  CHECK_THROWS_WITH_AS(t.item(), "tensor: item() wants one element, f32 [2] cpu has 2", Error);
  CHECK_THROWS_WITH_AS(Tensor::from(std::vector<float>{1}, {2}, test::cpu()),
                       "tensor: 1 values for shape [2], which has 2", Error);
  CHECK_THROWS_WITH_AS(Tensor::empty({int64_t{1} << 60}, DType::f64, test::cpu()),
                       "tensor: [1152921504606846976] has more elements than any memory", Error);
#ifndef AZ_SANITIZED  // AddressSanitizer ends the program instead
  CHECK_THROWS_WITH_AS(Tensor::empty({int64_t{1} << 50}, DType::f64, test::cpu()),
                       doctest::Contains("cpu: out of memory asking for"), Error);
#endif
}

TEST_CASE("tensor: scalars and empty tensors work") {
  for (Device* device : test::devices()) {
    CHECK(Tensor::full({}, 2.5, DType::bf16, *device).item() == 2.5);
    CHECK(Tensor::full({1, 1}, -7, DType::i64, *device).item() == -7);
    const Tensor empty = Tensor::zeros({0, 4}, DType::f32, *device);
    CHECK(empty.to_vector<float>().empty());
    CHECK(empty.clone().to(DType::bf16).numel() == 0);
  }
}
