#include "cpu/boxes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

/// Marks the boxes of `rest` that overlap `kept` by more than the threshold.
AZ_SIMD void suppress(const math::Box& kept, const math::Box* rest, size_t count, float threshold, float extra,
                      uint8_t* suppressed) {
  for (size_t i = 0; i < count; ++i) {
    suppressed[i] = suppressed[i] | static_cast<uint8_t>(math::box_iou(kept, rest[i], extra) > threshold);
  }
}

}  // namespace

std::vector<int32_t> nms(std::span<const math::Box> boxes, std::span<const float> scores, const NmsOptions& options) {
  AZ_CHECK(boxes.size() == scores.size(), "nms: {} boxes but {} scores", boxes.size(), scores.size());
  std::vector<int32_t> order(boxes.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](int32_t i) {
    const float s = scores[static_cast<size_t>(i)];
    return std::isnan(s) ? -std::numeric_limits<float>::infinity() : s;
  };
  std::ranges::stable_sort(order, std::ranges::greater{}, key);
  std::vector<math::Box> sorted;
  sorted.reserve(boxes.size());
  for (const int32_t i : order) sorted.push_back(boxes[static_cast<size_t>(i)]);

  std::vector<uint8_t> suppressed(boxes.size());
  std::vector<int32_t> kept;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (suppressed[i] != 0) continue;
    kept.push_back(order[i]);
    suppress(sorted[i], sorted.data() + i + 1, sorted.size() - i - 1, options.iou_threshold,
             options.plus_one ? 1.0f : 0.0f, suppressed.data() + i + 1);
  }
  return kept;
}

}  // namespace az::cpu
