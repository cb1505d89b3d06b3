#include "data/loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "data/sampler.h"
#include "tensor/rng.h"

using namespace az;
using data::AspectSampler;
using data::Loader;
using namespace std::chrono_literals;

namespace {

/// A batch that takes a while, not the same for each index.
std::vector<uint32_t> slow_batch(int64_t index) {
  Rng rng(3, Purpose::test, static_cast<uint64_t>(index));
  std::this_thread::sleep_for(std::chrono::microseconds(rng.integer(0, 300)));
  return {rng.next_u32(), rng.next_u32()};
}

}  // namespace

TEST_CASE("batches come in order and do not depend on the workers") {
  for (const int workers : {0, 1, 2, 5}) {
    for (const int prefetch : {1, 3, 8}) {
      CAPTURE(workers);
      CAPTURE(prefetch);
      Loader<std::vector<uint32_t>> loader(slow_batch, {workers, prefetch, 7, 60});
      for (int64_t i = 7; i < 60; ++i) {
        const auto batch = loader.next();
        REQUIRE(batch.has_value());
        REQUIRE(*batch == slow_batch(i));
      }
      CHECK(!loader.next().has_value());
      CHECK(!loader.next().has_value());
    }
  }
}

TEST_CASE("no more than the prefetched batches are made ahead") {
  std::atomic<int64_t> made{0};
  Loader<int64_t> loader(
      [&](int64_t i) {
        made = std::max<int64_t>(made, i + 1);
        return i;
      },
      {3, 4});
  for (int64_t i = 0; i < 50; ++i) {
    CHECK(loader.next() == i);
    CHECK(made <= i + 1 + 4);
  }
  std::this_thread::sleep_for(20ms);
  CHECK(made <= 54);
}

TEST_CASE("a worker's error reaches the consumer at its place") {
  for (const int workers : {0, 3}) {
    Loader<int64_t> loader(
        [](int64_t i) {
          AZ_CHECK(i != 4, "pictures/{}.jpg: the file is cut short", i);
          return i;
        },
        {workers, 2, 0, 6});
    for (int64_t i = 0; i < 4; ++i) CHECK(loader.next() == i);
    CHECK_THROWS_WITH_AS(loader.next(), "pictures/4.jpg: the file is cut short", Error);
    CHECK(loader.next() == 5);
    CHECK(!loader.next().has_value());
  }
}

TEST_CASE("a loader can be dropped at any moment") {
  for (int taken = 0; taken < 12; ++taken) {
    Loader<std::vector<uint32_t>> loader(slow_batch, {3, 5});
    for (int i = 0; i < taken; ++i) CHECK(loader.next().has_value());
  }
  CHECK_THROWS_AS(Loader<int>([](int64_t) { return 1; }, {-1, 1}), Error);
  CHECK_THROWS_AS(Loader<int>([](int64_t) { return 1; }, {1, 0}), Error);
}

TEST_CASE("waiting is measured") {
  Loader<int> loader(
      [](int64_t) {
        std::this_thread::sleep_for(20ms);
        return 1;
      },
      {1, 1});
  loader.next();
  CHECK(loader.waited_ms() > 10);
}

TEST_CASE("an epoch shows every picture, in batches of one orientation") {
  std::vector<bool> landscape;
  for (int i = 0; i < 37; ++i) landscape.push_back(i % 3 != 0);  // 13 portrait, 24 landscape
  const AspectSampler sampler(landscape, {4, 9});
  REQUIRE(sampler.batches_per_epoch() == 4 + 6);
  std::vector<std::vector<int64_t>> first;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::multiset<int64_t> seen;
    std::vector<int64_t> all;
    for (int64_t b = 0; b < sampler.batches_per_epoch(); ++b) {
      const auto batch = sampler.batch(epoch, b);
      REQUIRE(batch.size() == 4);
      for (const int64_t i : batch) {
        CHECK(landscape[static_cast<size_t>(i)] == landscape[static_cast<size_t>(batch[0])]);
        seen.insert(i);
        all.push_back(i);
      }
    }
    for (int64_t i = 0; i < 37; ++i) CHECK((seen.count(i) == 1 || (i % 3 == 0 && seen.count(i) == 2)));
    CHECK(seen.size() == 40);
    first.push_back(all);
  }
  CHECK(first[0] != first[1]);
  CHECK(first[1] != first[2]);
  // Another object, another order of calls, the same batches: what a resumed run relies on.
  const AspectSampler again(landscape, {4, 9});
  const auto state = again.state(23);
  CHECK(state == AspectSampler::State{2, 3});
  const auto batch = again.batch(state.epoch, state.position);
  CHECK(std::equal(batch.begin(), batch.end(), first[2].begin() + 3 * 4));
}

TEST_CASE("a sampler without shuffling, and one without pictures") {
  const AspectSampler sampler({true, false, true, true, true}, {2, 0, false});
  CHECK(sampler.batch(5, 0) == std::vector<int64_t>{1, 1});
  CHECK(sampler.batch(5, 2) == std::vector<int64_t>{3, 4});
  CHECK_THROWS_WITH_AS(sampler.batch(0, 3), "sampler: batch 3 of an epoch of 3", Error);
  CHECK_THROWS_AS(AspectSampler({}, {2}), Error);
}
