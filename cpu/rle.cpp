#include "cpu/rle.h"

#include <algorithm>
#include <limits>

#include "tensor/error.h"

namespace az::cpu {
namespace {

uint64_t pixel_count(const Rle& rle) { return uint64_t{rle.height} * rle.width; }

uint64_t covered(const Rle& rle) {
  uint64_t sum = 0;
  for (const uint32_t run : rle.counts) sum += run;
  return sum;
}

// Takes runs from a list a piece at a time. Past its last run a list is background without end.
class RunWalk {
 public:
  explicit RunWalk(const Rle& rle) : counts_(rle.counts), left_(counts_.empty() ? 0 : counts_[next_++]) {}

  bool value() const { return value_; }
  bool ended() const { return left_ == 0 && next_ == counts_.size(); }
  /// Pixels up to where the value may change.
  uint64_t left() const { return ended() ? std::numeric_limits<uint64_t>::max() : left_; }
  void advance(uint64_t pixels) {
    if (ended()) return;
    left_ -= pixels;
    if (left_ > 0) return;
    value_ = next_ < counts_.size() && !value_;
    if (next_ < counts_.size()) left_ = counts_[next_++];
  }

 private:
  std::span<const uint32_t> counts_;
  size_t next_ = 0;
  uint64_t left_;
  bool value_ = false;
};

template <class Combine>
Rle merge_two(const Rle& a, const Rle& b, Combine combine) {
  if (a.height != b.height || a.width != b.width) return {};
  Rle merged{a.height, a.width, {}};
  RunWalk walk_a(a), walk_b(b);
  bool value = false;
  uint64_t run = 0;
  while (!walk_a.ended() || !walk_b.ended()) {
    const uint64_t step = std::min(walk_a.left(), walk_b.left());
    run += step;
    walk_a.advance(step);
    walk_b.advance(step);
    const bool before = value;
    value = combine(walk_a.value(), walk_b.value());
    if (value != before || (walk_a.ended() && walk_b.ended())) {
      merged.counts.push_back(static_cast<uint32_t>(run));
      run = 0;
    }
  }
  return merged;
}

template <class Combine>
Rle merge(std::span<const Rle> masks, Combine combine) {
  if (masks.empty()) return {};
  Rle merged = masks[0];
  for (const Rle& mask : masks.subspan(1)) merged = merge_two(merged, mask, combine);
  return merged;
}

}  // namespace

Rle rle_encode(const Mask& mask) {
  AZ_CHECK(mask.height >= 0 && mask.width >= 0 &&
               mask.pixels.size() == static_cast<size_t>(mask.height) * static_cast<size_t>(mask.width),
           "rle_encode: {} pixels for a mask of {} x {}", mask.pixels.size(), mask.height, mask.width);
  Rle rle{static_cast<uint32_t>(mask.height), static_cast<uint32_t>(mask.width), {}};
  const size_t height = rle.height, width = rle.width;
  bool value = false;
  uint32_t run = 0;
  for (size_t x = 0; x < width; ++x) {
    const uint8_t* pixel = mask.pixels.data() + x;
    for (size_t y = 0; y < height; ++y, pixel += width) {
      if ((*pixel != 0) != value) {
        rle.counts.push_back(run);
        run = 0;
        value = !value;
      }
      ++run;
    }
  }
  rle.counts.push_back(run);
  return rle;
}

Mask rle_decode(const Rle& rle) {
  AZ_CHECK(pixel_count(rle) <= std::numeric_limits<int32_t>::max(), "rle_decode: a mask of {} x {} is too large",
           rle.height, rle.width);
  AZ_CHECK(covered(rle) <= pixel_count(rle), "rle_decode: {}", rle_problem(rle));
  Mask mask{static_cast<int>(rle.height), static_cast<int>(rle.width), std::vector<uint8_t>(pixel_count(rle))};
  size_t x = 0, y = 0;
  bool value = false;
  for (const uint32_t run : rle.counts) {
    for (uint32_t left = run; left > 0;) {
      const uint32_t piece = std::min(left, static_cast<uint32_t>(rle.height - y));
      if (value)
        for (uint32_t i = 0; i < piece; ++i) mask.pixels[(y + i) * rle.width + x] = 1;
      left -= piece;
      y += piece;
      if (y == rle.height) y = 0, ++x;
    }
    value = !value;
  }
  return mask;
}

Rle rle_union(std::span<const Rle> masks) {
  return merge(masks, [](bool a, bool b) { return a || b; });
}

Rle rle_intersection(std::span<const Rle> masks) {
  return merge(masks, [](bool a, bool b) { return a && b; });
}

uint32_t rle_area(const Rle& rle) {
  uint32_t area = 0;
  for (size_t i = 1; i < rle.counts.size(); i += 2) area += rle.counts[i];
  return area;
}

}  // namespace az::cpu
