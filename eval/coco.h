// COCO's average precision and recall, to the last bit of pycocotools 2.0.11 (specs/metrics.md section 2).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "data/coco.h"

namespace az::eval {

enum class CocoType { bbox, segm };

struct CocoOptions {
  CocoType type = CocoType::segm;
  /// false: every object and detection counts as of one category (class-agnostic AP).
  bool use_categories = true;
  /// The reference marks a detection by the id of the object it matched, so one matched to an object with id 0 counts
  /// as a false positive. true: it counts as matched.
  bool id_zero_matches = false;
  int threads = 0;  // 0: all. The result is the same for any number
};

constexpr int kCocoThresholds = 10;  // IoU 0.5, 0.55, ..., 0.95
constexpr int kCocoRecalls = 101;    // recall 0, 0.01, ..., 1
constexpr int kCocoAreas = 4;        // all, small (up to 32^2 pixels), medium (up to 96^2), large
constexpr int kCocoLimits = 3;       // 1, 10 and 100 detections a picture
constexpr std::array<const char*, 12> kCocoStatNames = {"AP",  "AP50", "AP75",  "APs", "APm", "APl",
                                                        "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};

struct CocoCategoryScores {
  int64_t category_id = -1;  // -1 where categories are not used
  std::string name;
  double ap = -1, ap50 = -1, ap75 = -1, ap_small = -1, ap_medium = -1, ap_large = -1, ar100 = -1;
};

/// Every figure is -1 where there is no object that it could be about.
struct CocoScores {
  std::array<double, 12> stats = {};           // in the order of kCocoStatNames
  std::vector<CocoCategoryScores> categories;  // by rising category id
  std::vector<double> precision;               // [thresholds, recalls, categories, areas, limits]
  std::vector<double> scores;                  // the same: the score at that precision
  std::vector<double> recall;                  // [thresholds, categories, areas, limits]

  double ap() const { return stats[0]; }
  double ap50() const { return stats[1]; }
};

/// Scores detections against a set. Detections of categories that the set lacks are left out; an empty list scores 0.
/// Error: a detection of an unknown image, or masks to be compared where an annotation or a detection has none.
CocoScores evaluate_coco(const data::CocoDataset& dataset, const data::CocoResults& results,
                         const CocoOptions& options = {});

/// The twelve lines that pycocotools prints.
std::string coco_summary(const CocoScores& scores);
/// A table with a line a category, figures in percent.
std::string coco_category_table(const CocoScores& scores);

}  // namespace az::eval
