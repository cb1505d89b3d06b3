#include "tensor/layout.h"

#include <doctest/doctest.h>

#include <numeric>

#include "tensor/error.h"
#include "tests/support/devices.h"

using namespace az;

TEST_CASE("layout: a weight goes to ours and back") {
  for (Device* device : test::devices()) {
    const Shape file({2, 3, 5, 4});
    std::vector<float> values(static_cast<size_t>(file.numel()));
    std::iota(values.begin(), values.end(), 0.0F);
    const Tensor weight = Tensor::from(values, file, *device);
    const Tensor ours = oihw_to_ohwi(weight);
    CHECK(ours.shape() == Shape({2, 5, 4, 3}));
    const auto moved = ours.to_vector<float>();
    for (size_t o = 0; o < 2; ++o)
      for (size_t i = 0; i < 3; ++i)
        for (size_t h = 0; h < 5; ++h)
          for (size_t w = 0; w < 4; ++w)
            CHECK(moved[((o * 5 + h) * 4 + w) * 3 + i] == values[((o * 3 + i) * 5 + h) * 4 + w]);
    const Tensor back = ohwi_to_oihw(ours);
    CHECK(back.shape() == file);
    CHECK(back.to_vector<float>() == values);
    std::vector<float> in_memory(values.size());
    oihw_to_ohwi(values.data(), file, sizeof(float), in_memory.data());
    CHECK(in_memory == moved);
    CHECK(oihw_to_ohwi(file) == ours.shape());
    CHECK(ohwi_to_oihw(oihw_to_ohwi(weight.to(DType::u8))).to_vector<uint8_t>() ==
          weight.to(DType::u8).to_vector<uint8_t>());
  }
}

TEST_CASE("layout: an empty weight and a wrong rank") {
  CHECK(oihw_to_ohwi(Tensor::zeros({0, 3, 1, 1}, DType::f32, test::cpu())).shape() == Shape({0, 1, 1, 3}));
  CHECK_THROWS_WITH_AS(oihw_to_ohwi(Tensor::zeros({3, 1, 1}, DType::f32, test::cpu())),
                       "oihw_to_ohwi: f32 [3, 1, 1] cpu is not [o, i, h, w]", Error);
}
