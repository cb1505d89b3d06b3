#include "cli/bench_scaling.h"

#include <doctest/doctest.h>

#include "tensor/error.h"

using namespace az;
using namespace az::cli;

TEST_CASE("the exponent of a power law") {
  CHECK(log_slope({1, 2, 4, 8}, {3, 6, 12, 24}) == doctest::Approx(1));
  CHECK(log_slope({1, 10, 100}, {5, 500, 50000}) == doctest::Approx(2));
  CHECK(log_slope({1, 3}, {7, 7}) == doctest::Approx(0));
  CHECK_THROWS_AS(log_slope({1}, {1}), Error);
  CHECK_THROWS_AS(log_slope({2, 2}, {1, 3}), Error);
  CHECK_THROWS_AS(log_slope({1, 2}, {0, 3}), Error);
}

TEST_CASE("sizes are read from a list") {
  CHECK(parse_sizes("200x336,7x9") == std::vector<std::pair<int64_t, int64_t>>{{200, 336}, {7, 9}});
  CHECK_THROWS_WITH_AS(parse_sizes("200x336,"), doctest::Contains("--size is ''"), Error);
  CHECK_THROWS_AS(parse_sizes("200"), Error);
}

TEST_CASE("scaling measures every size and batch, and draws its exponents") {
  const ScalingBench bench = bench_scaling({.batches = {1, 2}, .sizes = {{32, 32}, {64, 64}}, .seconds = 0.001});
  REQUIRE(bench.batches.size() == 2);
  REQUIRE(bench.sizes.size() == 2);
  CHECK(bench.batches[1].batch == 2);
  CHECK(bench.batches[1].height == 64);
  CHECK(bench.sizes[0].width == 32);
  CHECK(bench.batches[1].tensors_mb > bench.batches[0].tensors_mb);
  for (const auto& p : bench.sizes) CHECK(p.ms > 0);
  const ScalingBench made_up{{{1, 10, 10, 5, 3, 0}, {2, 10, 10, 10, 3, 0}},
                             {{1, 10, 10, 5, 3, 0}, {1, 20, 20, 80, 12, 0}}};
  const auto [time, memory] = scaling_charts(made_up, "title");
  CHECK(time.find("more pictures: pixels^1.00") != std::string::npos);
  CHECK(time.find("larger pictures: pixels^2.00") != std::string::npos);
  CHECK(memory.find("more pictures: pixels^0.00") != std::string::npos);
}
