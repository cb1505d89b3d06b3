// What each anchor of a search crop should give (specs/siammask.md section 7; foolwood/SiamMask
// datasets/siam_mask_dataset.py AnchorTargetLayer).
#pragma once

#include <cstdint>
#include <vector>

#include "models/siammask/anchors.h"
#include "tensor/rng.h"

namespace az::models {

/// Corners in pixels of the search crop; extents without +1.
struct SiamBox {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

struct SiamTargetOptions {
  double positive_iou = 0.6;  ///< above: positive
  double negative_iou = 0.3;  ///< below: negative; between: left out
  int64_t positives = 16;     ///< kept of a pair, at random
  int64_t total = 64;         ///< positives and negatives of a pair
  int64_t of_negative = 16;   ///< negatives of a pair of two objects, from the middle of the map
  int64_t middle = 3;         ///< cells on each side of the central one that count as its middle
};

/// How anchors meet a box, in the anchors' order.
struct SiamMatch {
  std::vector<double> iou;
  std::vector<double> dx, dy, dw, dh;  ///< what the box head should give
  std::vector<int8_t> candidate;       ///< 1 positive, 0 negative, -1 neither
};

/// Error: a box without an extent.
SiamMatch match_anchors(const std::vector<SiamAnchor>& anchors, const SiamBox& box, const SiamTargetOptions& options);

/// 1, 0 or -1 of each anchor, in the anchors' order: a random choice of the candidates.
std::vector<int8_t> choose_labels(const SiamMatch& match, const SiamTargetOptions& options, Rng& rng);
/// The same of a pair of two objects, on a map of cells x cells.
std::vector<int8_t> choose_negatives(int64_t anchors, int64_t cells, const SiamTargetOptions& options, Rng& rng);

/// Side of the score map of a search crop, for exemplars of 127: 25 of 255, 3 of 143. Error: a crop too small.
int64_t siam_cells(int64_t search_side);

/// Targets of a batch on the host, filled pair by pair; maps [n, cells, cells, channels] as models::SiamTargets has
/// them.
struct SiamTargetMaps {
  std::vector<int32_t> labels;
  std::vector<float> boxes, box_weights;
  std::vector<int32_t> cells;  ///< [m, 3]: image, row, column of every cell with a positive anchor and a mask
};

class SiamTargetMaker {
 public:
  SiamTargetMaker(const SiamAnchorOptions& anchors, const SiamTargetOptions& options, int64_t search_side);

  int64_t cells() const { return cells_; }
  int64_t anchors() const { return per_cell_; }
  /// Most cells with a positive anchor that a pair can have.
  int64_t most_cells() const;
  /// Adds the next pair. `negative`: of two objects; the box does not matter then. `has_mask`: its cells are listed.
  void add(const SiamBox& box, bool negative, bool has_mask, Rng& rng, SiamTargetMaps& maps) const;

 private:
  SiamTargetOptions options_;
  int64_t cells_, per_cell_;
  std::vector<SiamAnchor> anchors_;
};

}  // namespace az::models
