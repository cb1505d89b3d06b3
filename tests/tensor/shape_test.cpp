#include "tensor/shape.h"

#include <doctest/doctest.h>

#include <vector>

#include "tensor/error.h"

using namespace az;

TEST_CASE("shape: extents, counts and text") {
  const Shape shape({2, 3, 5});
  CHECK(shape.rank() == 3);
  CHECK(shape.numel() == 30);
  CHECK(shape[0] == 2);
  CHECK(shape[-1] == 5);
  CHECK(shape.str() == "[2, 3, 5]");
  CHECK(Shape().numel() == 1);
  CHECK(Shape().str() == "[]");
  CHECK(Shape({4, 0}).numel() == 0);
  CHECK(Shape({2, 3}) == Shape({2, 3}));
  CHECK_FALSE(Shape({2, 3}) == Shape({2, 3, 1}));
}

TEST_CASE("shape: what cannot be is refused") {
  CHECK_THROWS_WITH_AS(Shape({2, -1}), "shape: negative extent in [2, -1]", Error);
  CHECK_THROWS_WITH_AS(Shape(std::vector<int64_t>(7, 1)), "shape: 7 extents, at most 6 are supported", Error);
  CHECK_THROWS_WITH_AS(Shape({int64_t{1} << 32, int64_t{1} << 32}),
                       "shape: [4294967296, 4294967296] has more elements than can be counted", Error);
  CHECK_THROWS_WITH_AS(Shape({2, 3})[2], "shape: no dimension 2 in [2, 3]", Error);
  CHECK_THROWS_WITH_AS(Shape({2, 3})[-3], "shape: no dimension -3 in [2, 3]", Error);
}
