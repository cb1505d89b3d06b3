// COCO matching within one picture and category.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "eval/coco.h"

namespace az::eval {

/// The IoU thresholds as the reference's doubles: 0.5 + i * (0.45 / 9), the last set to 0.95.
std::array<double, kCocoThresholds> coco_thresholds();
/// The recall thresholds: i * 0.01, which is not always i / 100.
std::array<double, kCocoRecalls> coco_recalls();

/// An object as matching sees it.
struct MatchObject {
  double area = 0;
  bool crowd = false;
  bool counts_as_match = true;  // false: the reference's rule for id 0
};

/// An object that a detection overlaps by at least the lowest threshold.
struct Overlap {
  uint32_t object;
  double iou;
};

/// What became of a detection in each area range: bit t for IoU threshold t.
struct MatchBits {
  std::array<uint16_t, kCocoAreas> matched = {};
  std::array<uint16_t, kCocoAreas> ignored = {};
};

/// The matching of one picture and category.
struct Matches {
  std::array<uint32_t, kCocoAreas> objects = {};  // those that are not ignored
  std::vector<MatchBits> detections;
};

struct Overlaps;

/// Matches detections, best first, with objects in file order.
Matches match_detections(std::span<const MatchObject> objects, std::span<const double> detection_areas,
                         const Overlaps& overlaps);

}  // namespace az::eval
