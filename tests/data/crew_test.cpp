#include "data/crew.h"

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include "tensor/error.h"

using namespace az;

TEST_CASE("a crew does every item once and reports each") {
  for (const int workers : {0, 1, 3, 8})
    for (const int64_t count : {0, 1, 2, 50}) {
      CAPTURE(workers);
      CAPTURE(count);
      std::vector<std::atomic<int>> made(static_cast<size_t>(count));
      int64_t last = 0;
      data::for_each_item(count,
                          {workers,
                           [&](int64_t done, int64_t total) {
                             CHECK(done == last + 1);
                             CHECK(total == count);
                             last = done;
                           }},
                          [&](int64_t i) { ++made[static_cast<size_t>(i)]; });
      CHECK(last == count);
      for (const auto& m : made) CHECK(m == 1);
    }
}

TEST_CASE("a crew stops at the first error and throws it") {
  std::atomic<int> begun{0};
  const auto work = [&](int64_t i) {
    ++begun;
    if (i == 3) fail("item {}", i);
  };
  CHECK_THROWS_WITH_AS(data::for_each_item(1000000, {2, {}}, work), "item 3", Error);
  CHECK(begun < 1000000);
  CHECK_THROWS_AS(data::for_each_item(1, {-1, {}}, work), Error);
}
