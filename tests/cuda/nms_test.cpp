// cuda/nms.h against cpu::nms, class by class, and the cut as the reference has it.
#include "cuda/nms.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "cpu/boxes.h"
#include "cuda/build.h"
#include "cuda/device.h"
#include "math/polar_detect.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"
#include "tests/support/devices.h"

namespace az::test {
namespace {

/// Scores [images, classes, slots], NaN where a slot is no candidate of the class; boxes [images, slots].
struct Input {
  cuda::NmsShape shape;
  std::vector<float> scores;
  std::vector<math::Box> boxes;
};

struct Pick {
  int32_t label, slot;
  float score;
};

/// One image's detections by the CPU.
std::vector<Pick> expected(const Input& in, int image) {
  std::vector<Pick> picks;
  const auto slots = static_cast<size_t>(in.shape.slots);
  for (int c = 0; c < in.shape.classes; ++c) {
    std::vector<math::Box> boxes;
    std::vector<float> scores;
    std::vector<int32_t> from;
    for (size_t s = 0; s < slots; ++s) {
      const float score = in.scores[static_cast<size_t>(image * in.shape.classes + c) * slots + s];
      if (std::isnan(score)) continue;
      boxes.push_back(in.boxes[static_cast<size_t>(image) * slots + s]);
      scores.push_back(score);
      from.push_back(static_cast<int32_t>(s));
    }
    auto kept = cpu::nms(boxes, scores, {in.shape.iou, in.shape.extra == 1});
    std::ranges::sort(kept);
    for (const int32_t k : kept) picks.push_back({c, from[static_cast<size_t>(k)], scores[static_cast<size_t>(k)]});
  }
  if (picks.size() > static_cast<size_t>(in.shape.limit)) {
    std::ranges::stable_sort(picks, std::ranges::greater{}, &Pick::score);
    picks.resize(static_cast<size_t>(in.shape.limit));
  }
  return picks;
}

void check(const Input& in) {
  if constexpr (cuda::kBuilt) {
    const cuda::NmsShape& shape = in.shape;
    CAPTURE(shape.classes);
    CAPTURE(shape.slots);
    CAPTURE(shape.limit);
    const Compared compared(Against::cpu);
    const Sizes sizes{shape.classes, shape.slots, shape.limit};
    Device& device = *cuda();
    std::vector<int32_t> keys;
    for (const float s : in.scores) keys.push_back(std::isnan(s) ? 0 : static_cast<int32_t>(math::order_key(s)));
    std::vector<float> corners;
    for (const math::Box& b : in.boxes) corners.insert(corners.end(), {b.x1, b.y1, b.x2, b.y2});
    const Tensor key = Tensor::from(keys, {static_cast<int64_t>(keys.size())}, device);
    const Tensor box = Tensor::from(corners, {static_cast<int64_t>(corners.size())}, device);
    Tensor work = Tensor::empty({cuda::nms_workspace_bytes(shape)}, DType::u8, device);
    Tensor count = Tensor::full({shape.images}, -7, DType::i32, device);
    Tensor picked = Tensor::full({shape.images, shape.limit, 2}, -7, DType::i32, device);
    cuda::class_nms(cuda::device_of(device).stream(), static_cast<const uint32_t*>(key.raw()),
                    static_cast<const math::Box*>(box.raw()), shape, work.mutable_raw(), count.mutable_data<int32_t>(),
                    picked.mutable_data<int32_t>());
    std::vector<int32_t> want_count, want_picked;
    for (int image = 0; image < shape.images; ++image) {
      auto picks = expected(in, image);
      want_count.push_back(static_cast<int32_t>(picks.size()));
      picks.resize(static_cast<size_t>(shape.limit), {-1, -1, 0});
      for (const Pick& p : picks) want_picked.insert(want_picked.end(), {p.label, p.slot});
    }
    CHECK(count.to_vector<int32_t>() == want_count);
    CHECK(picked.to_vector<int32_t>() == want_picked);
  }
}

/// Boxes of 20 to 60 px scattered over a square; every score is a candidate with the given probability.
Input scattered(const cuda::NmsShape& shape, float side, double density, uint64_t seed,
                const std::function<float(Rng&)>& score) {
  Rng rng(seed, Purpose::test);
  Input in{shape, {}, {}};
  for (int i = 0; i < shape.images * shape.slots; ++i) {
    const auto x = static_cast<float>(rng.uniform(0, side)), y = static_cast<float>(rng.uniform(0, side));
    in.boxes.push_back(
        {x, y, x + static_cast<float>(rng.uniform(20, 60)), y + static_cast<float>(rng.uniform(20, 60))});
  }
  for (int i = 0; i < shape.images * shape.classes * shape.slots; ++i)
    in.scores.push_back(rng.chance(density) ? score(rng) : std::numeric_limits<float>::quiet_NaN());
  return in;
}

float any(Rng& rng) { return static_cast<float>(rng.uniform(0, 1.5)); }
float coarse(Rng& rng) { return static_cast<float>(static_cast<int>(rng.uniform(0, 4))) / 4; }

}  // namespace

TEST_CASE("class_nms agrees with the CPU over sizes") {
  if (!cuda()) return;
  for (const int slots : {1, 31, 32, 33, 63, 64, 65, 257, 700}) check(scattered({2, 3, slots, 100}, 300, 0.7, 11, any));
}

TEST_CASE("class_nms with one class and with eighty, few and many candidates") {
  if (!cuda()) return;
  check(scattered({1, 1, 900, 100}, 200, 1, 12, any));  // dense overlaps
  check(scattered({1, 1, 900, 40}, 5000, 1, 13, any));  // hardly any: more survivors than the limit
  check(scattered({1, 80, 200, 100}, 400, 0.02, 14, any));
  check(scattered({1, 80, 60, 100}, 900, 1, 15, any));
}

TEST_CASE("class_nms orders equal scores by class and slot") {
  if (!cuda()) return;
  check(scattered({1, 5, 300, 100}, 2000, 0.5, 16, coarse));
  check(scattered({1, 5, 300, 2000}, 2000, 0.5, 17, coarse));
  check(scattered({1, 2, 150, 100}, 5000, 1, 18, [](Rng&) { return 0.5f; }));
  check(scattered({1, 2, 64, 64}, 20, 1, 19, [](Rng&) { return -1.0f; }));  // negative scores too
}

TEST_CASE("class_nms at its limits: none, one, exactly as many as survive, one fewer") {
  if (!cuda()) return;
  check(scattered({2, 4, 100, 100}, 300, 0, 20, any));  // no candidate
  for (const int limit : {0, 1}) check(scattered({1, 3, 100, limit}, 300, 0.5, 21, any));
  Input in = scattered({1, 3, 100, 1000}, 300, 0.5, 22, any);
  const auto survivors = static_cast<int>(expected(in, 0).size());
  REQUIRE(survivors > 3);
  for (const int limit : {survivors, survivors - 1}) {
    in.shape.limit = limit;
    check(in);
  }
  in = scattered({1, 1, 128, 100}, 100000, 1, 23, any);  // one class alone has just enough, one more, a tile more
  for (const int slots : {100, 101, 128}) {
    in.shape.slots = slots;
    in.boxes.resize(static_cast<size_t>(slots));
    in.scores.resize(static_cast<size_t>(slots));
    check(in);
    in = scattered({1, 1, 128, 100}, 100000, 1, 23, any);
  }
}

TEST_CASE("class_nms suppresses above the threshold only, in both conventions") {
  if (!cuda()) return;
  const math::Box a{0, 0, 9, 9}, half{0, 0, 9, 4};  // plus one: 100 and 50 pixels, overlap exactly 0.5
  Input in{{1, 1, 2, 10, 0.5f, 1}, {0.9f, 0.8f}, {a, half}};
  check(in);
  CHECK(expected(in, 0).size() == 2);
  in.shape.iou = 0.49f;
  check(in);
  CHECK(expected(in, 0).size() == 1);
  in.shape.extra = 0;  // 81 and 36: 0.444
  check(in);
  CHECK(expected(in, 0).size() == 2);
}

TEST_CASE("class_nms of a list that does not fit in shared memory sorts in its workspace") {
  if (!cuda()) return;
  check(scattered({1, 2, 4500, 60}, 400, 0.96, 24, any));
}

}  // namespace az::test
