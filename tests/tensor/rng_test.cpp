#include "tensor/rng.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <vector>

#include "tensor/error.h"

using namespace az;

TEST_CASE("rng: Philox4x32-10 gives the published answers") {
  // kat_vectors of the Random123 distribution.
  using Words = std::array<uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("rng: a stream is a function of seed, purpose, sample and step") {
  const auto first = [](uint64_t seed, Purpose purpose, uint64_t sample, uint64_t step) {
    Rng rng(seed, purpose, sample, step);
    return uint64_t{rng.next_u32()} << 32 | rng.next_u32();
  };
  std::set<uint64_t> seen;
  const uint64_t far = uint64_t{1} << 32;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, far})
    for (const Purpose purpose : {Purpose::init, Purpose::shuffle, Purpose::augment})
      for (const uint64_t sample : {uint64_t{0}, uint64_t{1}, far})
        for (const uint64_t step : {uint64_t{0}, uint64_t{1}, far}) {
          CHECK(first(seed, purpose, sample, step) == first(seed, purpose, sample, step));
          seen.insert(first(seed, purpose, sample, step));
        }
  CHECK(seen.size() == 3 * 3 * 3 * 3);
}

TEST_CASE("rng: copies walk on their own") {
  Rng a(1, Purpose::test);
  a.next_u32();
  Rng b = a;
  std::vector<uint32_t> of_a, of_b;
  for (int i = 0; i < 9; ++i) of_a.push_back(a.next_u32());
  for (int i = 0; i < 9; ++i) of_b.push_back(b.next_u32());
  CHECK(of_a == of_b);
}

TEST_CASE("rng: integers cover their range evenly, both ends included") {
  Rng rng(5, Purpose::test);
  std::vector<int> counts(7, 0);
  constexpr int kDraws = 70'000;
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<size_t>(rng.integer(-3, 3) + 3)];
  // Six standard deviations of a binomial count.
  for (const int count : counts) CHECK(std::abs(count - kDraws / 7) < 6 * std::sqrt(kDraws * 6.0 / 49.0));
  CHECK(rng.integer(9, 9) == 9);
  CHECK(rng.integer(0, 0xffffffff) <= 0xffffffff);
  CHECK_THROWS_WITH_AS(rng.integer(2, 1), "rng: integers 2 to 1", Error);
  CHECK_THROWS_WITH_AS(rng.integer(0, int64_t{1} << 32), "rng: integers 0 to 4294967296", Error);
}

TEST_CASE("rng: uniform and normal have their moments") {
  Rng rng(6, Purpose::test);
  constexpr int kDraws = 100'000;
  double sum = 0, squares = 0, low = 1, high = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = rng.uniform();
    low = std::min(low, u);
    high = std::max(high, u);
    sum += u;
    squares += u * u;
  }
  CHECK(low >= 0);
  CHECK(high < 1);
  // Six standard errors: 1 / sqrt(12 n) of the mean, sqrt(4/45 / n) of the mean square.
  CHECK(std::abs(sum / kDraws - 0.5) < 6 / std::sqrt(12.0 * kDraws));
  CHECK(std::abs(squares / kDraws - 1.0 / 3) < 6 * std::sqrt(4.0 / 45 / kDraws));
  sum = squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double n = rng.normal();
    sum += n;
    squares += n * n;
  }
  CHECK(std::abs(sum / kDraws) < 6 / std::sqrt(kDraws));
  CHECK(std::abs(squares / kDraws - 1) < 6 * std::sqrt(2.0 / kDraws));
  const double bounded = rng.uniform(-2, 3);
  CHECK((bounded >= -2 && bounded < 3));
}
