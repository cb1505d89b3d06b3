#include "models/siammask/targets.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace az::models {
namespace {

constexpr double kWeightEps = 1e-6;

/// `count` random entries of `from`, all of them where there are no more; they stay in a random order.
void choose(std::vector<size_t>& from, int64_t count, Rng& rng) {
  const auto size = static_cast<int64_t>(from.size());
  if (size <= count) return;
  for (int64_t i = 0; i < count; ++i)
    std::swap(from[static_cast<size_t>(i)], from[static_cast<size_t>(rng.integer(i, size - 1))]);
  from.resize(static_cast<size_t>(std::max<int64_t>(count, 0)));
}

std::vector<size_t> indices_of(const std::vector<int8_t>& values, int8_t value) {
  std::vector<size_t> found;
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] == value) found.push_back(i);
  return found;
}

double overlap(double low, double high, double other_low, double other_high) {
  return std::max(0.0, std::min(high, other_high) - std::max(low, other_low));
}

}  // namespace

SiamMatch match_anchors(const std::vector<SiamAnchor>& anchors, const SiamBox& b, const SiamTargetOptions& options) {
  const double w = b.x2 - b.x1, h = b.y2 - b.y1, cx = (b.x1 + b.x2) / 2, cy = (b.y1 + b.y2) / 2;
  AZ_CHECK(w > 0 && h > 0, "siammask targets: the box ({}, {}) to ({}, {}) has no extent", b.x1, b.y1, b.x2, b.y2);
  SiamMatch match;
  for (const SiamAnchor& a : anchors) {
    const double both =
        overlap(a.cx - a.w / 2, a.cx + a.w / 2, b.x1, b.x2) * overlap(a.cy - a.h / 2, a.cy + a.h / 2, b.y1, b.y2);
    const double iou = both / (a.w * a.h + w * h - both);
    match.iou.push_back(iou);
    match.dx.push_back((cx - a.cx) / a.w);
    match.dy.push_back((cy - a.cy) / a.h);
    match.dw.push_back(std::log(w / a.w));
    match.dh.push_back(std::log(h / a.h));
    match.candidate.push_back(iou > options.positive_iou ? 1 : iou < options.negative_iou ? 0 : -1);
  }
  return match;
}

std::vector<int8_t> choose_labels(const SiamMatch& match, const SiamTargetOptions& options, Rng& rng) {
  std::vector<size_t> positives = indices_of(match.candidate, 1), negatives = indices_of(match.candidate, 0);
  choose(positives, options.positives, rng);
  choose(negatives, options.total - static_cast<int64_t>(positives.size()), rng);
  std::vector<int8_t> labels(match.candidate.size(), -1);
  for (const size_t i : positives) labels[i] = 1;
  for (const size_t i : negatives) labels[i] = 0;
  return labels;
}

std::vector<int8_t> choose_negatives(int64_t anchors, int64_t cells, const SiamTargetOptions& options, Rng& rng) {
  const int64_t low = std::max<int64_t>(0, cells / 2 - options.middle);
  const int64_t high = std::min(cells, cells / 2 + options.middle + 1);
  std::vector<size_t> candidates;
  for (int64_t a = 0; a < anchors; ++a)
    for (int64_t row = low; row < high; ++row)
      for (int64_t col = low; col < high; ++col)
        candidates.push_back(static_cast<size_t>((a * cells + row) * cells + col));
  choose(candidates, options.of_negative, rng);
  std::vector<int8_t> labels(static_cast<size_t>(anchors * cells * cells), -1);
  for (const size_t i : candidates) labels[i] = 0;
  return labels;
}

int64_t siam_cells(int64_t search_side) {
  // The stem, its pool and layer2 stride by 2; a map narrower than 20 loses 4 on each side; a 3x3 convolution and the
  // correlation with 5x5 have no padding.
  const int64_t stem = (search_side - 7) / 2 + 1, pooled = (stem - 1) / 2 + 1, strided = (pooled - 3) / 2 + 1;
  const int64_t cells = (strided < 20 ? strided - 8 : strided) - 6;
  AZ_CHECK(search_side >= 7 && cells >= 1, "siammask: a search crop of {} px is too small; the smallest is 127",
           search_side);
  return cells;
}

SiamTargetMaker::SiamTargetMaker(const SiamAnchorOptions& anchors, const SiamTargetOptions& options,
                                 int64_t search_side)
    : options_(options),
      cells_(siam_cells(search_side)),
      per_cell_(static_cast<int64_t>(anchors.scales.size() * anchors.ratios.size())),
      anchors_(siam_anchors(anchors, cells_, search_side / 2)) {}

int64_t SiamTargetMaker::most_cells() const { return std::min(cells_ * cells_, options_.positives); }

void SiamTargetMaker::add(const SiamBox& box, bool negative, bool has_mask, Rng& rng, SiamTargetMaps& maps) const {
  SiamMatch match;
  if (!negative) match = match_anchors(anchors_, box, options_);
  const auto labels =
      negative ? choose_negatives(per_cell_, cells_, options_, rng) : choose_labels(match, options_, rng);
  const auto positives = static_cast<double>(std::ranges::count(labels, int8_t{1}));
  const auto weight = static_cast<float>(1 / (positives + kWeightEps));
  const int64_t plane = cells_ * cells_;
  const auto image = static_cast<int32_t>(static_cast<int64_t>(maps.labels.size()) / (plane * per_cell_));
  for (int64_t cell = 0; cell < plane; ++cell) {
    const auto at = [&](int64_t a) { return static_cast<size_t>(a * plane + cell); };
    bool holds = false;
    for (int64_t a = 0; a < per_cell_; ++a) {
      const int8_t label = labels[at(a)];
      maps.labels.push_back(label);
      maps.box_weights.push_back(label == 1 ? weight : 0);
      holds |= label == 1;
    }
    for (const auto* delta : {&match.dx, &match.dy, &match.dw, &match.dh})
      for (int64_t a = 0; a < per_cell_; ++a) maps.boxes.push_back(negative ? 0 : static_cast<float>((*delta)[at(a)]));
    if (holds && has_mask)
      maps.cells.insert(maps.cells.end(),
                        {image, static_cast<int32_t>(cell / cells_), static_cast<int32_t>(cell % cells_)});
  }
}

}  // namespace az::models
