// COCO precision and recall over all pictures of a category, and the means over them.
#pragma once

#include <span>

#include "eval/coco_match.h"

namespace az::eval {

/// The detections of one picture and category, best first.
struct PictureMatches {
  std::vector<double> scores;
  Matches matches;
};

/// Fills the entries of category k in precision, scores and recall from its pictures, by rising image id. They stay -1
/// where no object counts.
void accumulate_category(std::span<const PictureMatches* const> pictures, size_t k, size_t category_count,
                         CocoScores& to);

/// Fills one of the figures from precision and recall: `stats[i]`, or those of category i - 12.
void summarize_coco(size_t i, CocoScores& scores);

/// The sum in numpy's order (pairwise, eight accumulators in a block), which the last bit of a mean depends on.
double pairwise_sum(std::span<const double> values);

}  // namespace az::eval
