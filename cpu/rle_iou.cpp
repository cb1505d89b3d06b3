#include <algorithm>
#include <limits>

#include "cpu/rle.h"

namespace az::cpu {
namespace {

// The first pair of edges that ends behind `position`.
size_t first_behind(std::span<const uint32_t> edges, uint32_t position) {
  return static_cast<size_t>(std::ranges::upper_bound(edges, position) - edges.begin()) & ~size_t{1};
}

// Pixels that both have: walks both lists of runs, from where they can meet first.
uint32_t intersection(std::span<const uint32_t> a, std::span<const uint32_t> b) {
  if (a.empty() || b.empty()) return 0;
  uint32_t pixels = 0;
  size_t i = first_behind(a, b.front()), j = first_behind(b, a.front());
  while (i < a.size() && j < b.size()) {
    const uint32_t begin = std::max(a[i], b[j]);
    const uint32_t end_a = a[i + 1], end_b = b[j + 1];
    const uint32_t end = std::min(end_a, end_b);
    pixels += end > begin ? end - begin : 0;
    i += end_a <= end_b ? 2 : 0;
    j += end_b <= end_a ? 2 : 0;
  }
  return pixels;
}

// Pixels that both have over those that either has, or the detection where the object is a crowd.
double share(uint32_t both, uint32_t detection_area, uint32_t object_area, bool crowd) {
  if (both == 0) return 0;
  const uint32_t either = crowd ? detection_area : detection_area + object_area - both;
  return static_cast<double>(both) / static_cast<double>(either);
}

// Width or height of the boxes' overlap.
double overlap(const Box& a, const Box& b, size_t axis) {
  return std::min(a[axis + 2] + a[axis], b[axis + 2] + b[axis]) - std::max(a[axis], b[axis]);
}

}  // namespace

Box rle_box(const Rle& rle, bool compat) {
  const uint32_t height = rle.height, width = rle.width;
  uint32_t left = width, top = height, right = 0, bottom = 0;
  uint64_t at = 0, column_end = height;  // the end of column `column`
  uint32_t column = 0;
  const auto move_to = [&](uint64_t pixel) {  // at most a step a column in all
    for (; pixel >= column_end; column_end += height) ++column;
  };
  bool any = false;
  for (size_t i = 0; i + 1 < rle.counts.size(); i += 2) {
    const uint64_t begin = at + rle.counts[i], end = begin + rle.counts[i + 1];
    at = end;
    if (begin == end || height == 0) continue;
    any = true;
    move_to(begin);
    left = std::min(left, column);
    if (end <= column_end) {
      const uint64_t column_begin = column_end - height;
      top = std::min(top, static_cast<uint32_t>(begin - column_begin));
      bottom = std::max(bottom, static_cast<uint32_t>(end - 1 - column_begin));
    } else {
      move_to(end - 1);
      top = 0;
      bottom = height - 1;
    }
    right = std::max(right, column);
  }
  if (!any && (!compat || rle.counts.size() < 2)) return {0, 0, 0, 0};
  // The reference's unsigned 32-bit differences, which wrap where every foreground run is empty.
  const auto extent = [](uint32_t low, uint32_t high) { return static_cast<double>(high - low) + 1; };
  return {static_cast<double>(left), static_cast<double>(top), extent(left, right), extent(top, bottom)};
}

RunMask run_mask(const Rle& rle) {
  RunMask mask{rle.height, rle.width, {}, rle_area(rle), rle_box(rle)};
  mask.edges.reserve(rle.counts.size());
  uint32_t at = 0;
  for (size_t i = 0; i < rle.counts.size(); ++i) {
    const uint32_t end = at + rle.counts[i];
    if (i % 2 == 1 && end > at) mask.edges.insert(mask.edges.end(), {at, end});
    at = end;
  }
  return mask;
}

double box_iou(const Box& detection, const Box& object, bool crowd) {
  const double width = overlap(detection, object, 0);
  if (width <= 0) return 0;
  const double height = overlap(detection, object, 1);
  if (height <= 0) return 0;
  const double both = width * height;
  const double detection_area = detection[2] * detection[3];
  const double either = crowd ? detection_area : detection_area + object[2] * object[3] - both;
  return both / either;
}

double mask_iou(const RunView& detection, const RunView& object, bool crowd) {
  if (!(box_iou(detection.box, object.box, false) > 0)) return 0;
  return share(intersection(detection.edges, object.edges), detection.area, object.area, crowd);
}

double mask_iou_bound(const RunView& detection, const RunView& object, bool crowd) {
  if (uint64_t{detection.area} + object.area > std::numeric_limits<uint32_t>::max()) return 1;  // the sum wraps
  const double width = overlap(detection.box, object.box, 0), height = overlap(detection.box, object.box, 1);
  if (width <= 0 || height <= 0) return 0;
  // The quotient grows with the common pixels, and so do its roundings.
  const double smaller = std::min(detection.area, object.area);
  return share(static_cast<uint32_t>(std::min(width * height, smaller)), detection.area, object.area, crowd);
}

double mask_iou(const RunMask& detection, const RunMask& object, bool crowd) {
  const RunView a{detection.edges, detection.area, detection.box}, b{object.edges, object.area, object.box};
  const bool same_size = detection.height == object.height && detection.width == object.width;
  if (!same_size && box_iou(a.box, b.box, false) > 0) return -1;
  return mask_iou(a, b, crowd);
}

double rle_iou(const Rle& detection, const Rle& object, bool crowd) {
  return mask_iou(run_mask(detection), run_mask(object), crowd);
}

}  // namespace az::cpu
