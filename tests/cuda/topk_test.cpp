// cuda/topk.h against a stable sort on the host.
#include "cuda/topk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cuda/build.h"
#include "cuda/device.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"
#include "tests/support/devices.h"

namespace az::test {
namespace {

struct Run {
  int count, keep;
};

std::vector<int32_t> expected(const std::vector<float>& row, const std::vector<Run>& runs) {
  std::vector<int32_t> all;
  int begin = 0;
  for (const Run& run : runs) {
    std::vector<int32_t> order(static_cast<size_t>(run.count));
    std::iota(order.begin(), order.end(), begin);
    if (run.keep > 0 && run.keep < run.count) {
      std::ranges::stable_sort(order, std::ranges::greater{}, [&](int32_t i) {
        const float v = row[static_cast<size_t>(i)];
        return std::isnan(v) ? -std::numeric_limits<float>::infinity() : v;
      });
      order.resize(static_cast<size_t>(run.keep));
    }
    all.insert(all.end(), order.begin(), order.end());
    begin += run.count;
  }
  return all;
}

/// Chooses from `rows` rows of values [rows, length], and compares.
void check(const std::vector<float>& values, const std::vector<Run>& runs, int rows) {
  if constexpr (cuda::kBuilt) {
    Device& device = *cuda();
    const Compared compared(Against::cpu);
    const Sizes sizes{runs.empty() ? 0 : runs[0].count};
    cuda::TopkRuns topk_runs;
    for (const Run& run : runs) REQUIRE(topk_runs.add(run.count, run.keep));
    REQUIRE(values.size() == static_cast<size_t>(rows * topk_runs.length()));
    const Tensor x = Tensor::from(values, {static_cast<int64_t>(values.size())}, device);
    Tensor chosen = Tensor::empty({rows * topk_runs.chosen()}, DType::i32, device);
    Tensor scratch = Tensor::empty({rows * topk_runs.scratch_row()}, DType::i64, device);
    cuda::topk(cuda::device_of(device).stream(), x.data<float>(), rows, topk_runs, chosen.mutable_data<int32_t>(),
               static_cast<uint64_t*>(scratch.mutable_raw()));
    std::vector<int32_t> want;
    for (int r = 0; r < rows; ++r) {
      const auto begin = values.begin() + r * topk_runs.length();
      const auto row = expected({begin, begin + topk_runs.length()}, runs);
      want.insert(want.end(), row.begin(), row.end());
    }
    CHECK(chosen.to_vector<int32_t>() == want);
  }
}

std::vector<float> normal(size_t count, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

}  // namespace

TEST_CASE("topk chooses and orders the largest of each run") {
  if (!cuda()) return;
  const Compared compared(Against::cpu);
  check(normal(1, 1), {{1, 1}}, 1);
  check({}, {}, 0);
  for (const int count : {31, 32, 33, 257, 1500})
    for (const int keep : {1, 31, 32, 33, 256}) {
      CAPTURE(count);
      CAPTURE(keep);
      check(normal(static_cast<size_t>(count), 2), {{count, keep}}, 1);
    }
  check(normal(2 * 1697, 3), {{1200, 100}, {400, 100}, {80, 100}, {17, 100}}, 2);
  check(normal(70, 4), {{40, 0}, {30, -1}}, 1);  // kept whole
}

TEST_CASE("topk of equal values goes by index, of zeros of both signs too") {
  if (!cuda()) return;
  check(std::vector<float>(3000, 0.25f), {{3000, 1000}}, 1);
  std::vector<float> values = normal(2500, 5);
  for (float& v : values) v = std::round(v * 2);  // few values, -0 among them
  check(values, {{2500, 700}}, 1);
  for (float& v : values) v = v > 0 ? 1.0f : -0.0f;
  check(values, {{2500, 1600}}, 1);
}

TEST_CASE("topk takes infinities and NaN") {
  if (!cuda()) return;
  std::vector<float> values = normal(600, 6);
  for (size_t i = 0; i < values.size(); i += 7) values[i] = std::numeric_limits<float>::quiet_NaN();
  for (size_t i = 0; i < values.size(); i += 11) values[i] = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < values.size(); i += 13) values[i] = -std::numeric_limits<float>::infinity();
  for (const int keep : {20, 300, 580}) check(values, {{600, keep}}, 1);
}

TEST_CASE("topk of more than fits in shared memory sorts in its scratch") {
  if (!cuda()) return;
  check(normal(2 * 6100, 7), {{6000, 4097}, {100, 50}}, 2);
}

}  // namespace az::test
