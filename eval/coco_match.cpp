#include "eval/coco_match.h"

#include <algorithm>

#include "eval/coco_overlaps.h"

namespace az::eval {
namespace {

struct AreaRange {
  double low, high;  // both included

  bool contains(double area) const { return area >= low && area <= high; }
};

constexpr std::array<AreaRange, kCocoAreas> kAreas = {{{0, 1e10}, {0, 1024}, {1024, 9216}, {9216, 1e10}}};
constexpr int64_t kNone = -1;

// The matching for one area range and one threshold.
class Matcher {
 public:
  Matcher(std::span<const MatchObject> objects, const AreaRange& range) : objects_(objects) {
    for (const MatchObject& object : objects) ignored_.push_back(object.crowd || !range.contains(object.area) ? 1 : 0);
  }

  uint32_t counted() const { return static_cast<uint32_t>(std::ranges::count(ignored_, 0)); }
  bool is_ignored(size_t object) const { return ignored_[object] != 0; }
  void free_all() { taken_.assign(objects_.size(), 0); }

  // The object to take: among those that count, and only if there is none, among the ignored. Of the free ones it is
  // the one with the highest IoU of at least the threshold, the later of equals.
  int64_t take(std::span<const Overlap> overlaps, double threshold) {
    int64_t taken = find(overlaps, threshold, 0);
    if (taken == kNone) taken = find(overlaps, threshold, 1);
    if (taken != kNone) taken_[static_cast<size_t>(taken)] = 1;
    return taken;
  }

 private:
  int64_t find(std::span<const Overlap> overlaps, double best, uint8_t ignored) const {
    int64_t found = kNone;
    for (const Overlap& overlap : overlaps) {
      if (overlap.iou < best || ignored_[overlap.object] != ignored) continue;
      if (taken_[overlap.object] && !objects_[overlap.object].crowd) continue;
      best = overlap.iou;
      found = overlap.object;
    }
    return found;
  }

  std::span<const MatchObject> objects_;
  std::vector<uint8_t> ignored_, taken_;
};

}  // namespace

std::array<double, kCocoThresholds> coco_thresholds() {
  std::array<double, kCocoThresholds> thresholds{};
  const double step = (0.95 - 0.5) / (kCocoThresholds - 1);
  for (int i = 0; i < kCocoThresholds; ++i) thresholds[static_cast<size_t>(i)] = 0.5 + i * step;
  thresholds.back() = 0.95;
  return thresholds;
}

std::array<double, kCocoRecalls> coco_recalls() {
  std::array<double, kCocoRecalls> recalls{};
  for (int i = 0; i < kCocoRecalls; ++i) recalls[static_cast<size_t>(i)] = i * 0.01;
  recalls.back() = 1.0;
  return recalls;
}

Matches match_detections(std::span<const MatchObject> objects, std::span<const double> detection_areas,
                         const Overlaps& overlaps) {
  constexpr uint16_t kEveryThreshold = (1U << kCocoThresholds) - 1;
  Matches matches;
  matches.detections.resize(detection_areas.size());
  std::vector<uint32_t> meeting;  // the detections that some object could be matched to
  for (size_t d = 0; d < detection_areas.size(); ++d) {
    if (!overlaps.of(d).empty()) {
      meeting.push_back(static_cast<uint32_t>(d));
      continue;
    }
    for (size_t a = 0; a < kAreas.size(); ++a)
      matches.detections[d].ignored[a] = kAreas[a].contains(detection_areas[d]) ? 0 : kEveryThreshold;
  }
  const auto thresholds = coco_thresholds();
  for (size_t a = 0; a < kAreas.size(); ++a) {
    Matcher matcher(objects, kAreas[a]);
    matches.objects[a] = matcher.counted();
    for (size_t t = 0; t < thresholds.size(); ++t) {
      const auto bit = static_cast<uint16_t>(1U << t);
      matcher.free_all();
      for (const uint32_t d : meeting) {
        MatchBits& bits = matches.detections[d];
        const int64_t object = matcher.take(overlaps.of(d), std::min(thresholds[t], 1 - 1e-10));
        const bool matched = object != kNone && objects[static_cast<size_t>(object)].counts_as_match;
        const bool ignored = object != kNone && matcher.is_ignored(static_cast<size_t>(object));
        if (matched) bits.matched[a] |= bit;
        if (ignored || (!matched && !kAreas[a].contains(detection_areas[d]))) bits.ignored[a] |= bit;
      }
    }
  }
  return matches;
}

}  // namespace az::eval
