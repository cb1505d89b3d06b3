#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include "tensor/error.h"
#include "tests/support/devices.h"

using namespace az;

TEST_CASE("a narrow shares storage and sees writes") {
  Tensor t = Tensor::full({4, 3}, 1.0, DType::f32, test::cpu());
  Tensor rows = t.narrowed(1, 2);
  rows.mutable_data<float>()[0] = 5;
  CHECK(t.to_vector<float>()[3] == 5.0F);
  CHECK_THROWS_WITH_AS(t.narrowed(3, 2), "narrow: rows 3 to 5 of f32 [4, 3] cpu, which has 4", Error);
}
