#include "eval/otb.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "tensor/error.h"

namespace az::eval {
namespace {

double centre_x(const cpu::Box& b) { return b[0] + (b[2] - 1) / 2; }
double centre_y(const cpu::Box& b) { return b[1] + (b[3] - 1) / 2; }

double overlap(const cpu::Box& a, const cpu::Box& b) {
  const double w = std::min(a[0] + a[2], b[0] + b[2]) - std::max(a[0], b[0]);
  const double h = std::min(a[1] + a[3], b[1] + b[3]) - std::max(a[1], b[1]);
  const double common = std::max(w, 0.0) * std::max(h, 0.0);
  return std::clamp(common / (a[2] * a[3] + b[2] * b[3] - common), 0.0, 1.0);
}

/// Between the centres, each divided by (w, h); -1 where the annotated one is not positive.
double distance(const cpu::Box& truth, const cpu::Box& predicted, double w, double h) {
  const double cx = centre_x(truth) / w, cy = centre_y(truth) / h;
  if (cx <= 0 || cy <= 0) return -1;
  return std::hypot(cx - centre_x(predicted) / w, cy - centre_y(predicted) / h);
}

}  // namespace

OtbCurves otb_curves(const std::vector<cpu::Box>& truth, const std::vector<cpu::Box>& predicted) {
  const size_t frames = std::min(truth.size(), predicted.size());
  AZ_CHECK(frames > 0, "otb: no frame to compare: {} annotated, {} predicted", truth.size(), predicted.size());
  OtbCurves curves;
  const double share = 1.0 / static_cast<double>(frames);
  for (size_t f = 0; f < frames; ++f) {
    const cpu::Box &a = truth[f], &b = predicted[f];
    const double iou = a[2] > 0 && a[3] > 0 ? overlap(a, b) : -1;
    const double pixels = distance(a, b, 1, 1), sizes = distance(a, b, a[2] + 1e-16, a[3] + 1e-16);
    for (size_t k = 0; k < kOtbOverlaps; ++k) curves.success[k] += iou > static_cast<double>(k) * 0.05;
    for (size_t k = 0; k < kOtbDistances; ++k) curves.precision[k] += pixels <= static_cast<double>(k);
    for (size_t k = 0; k < kOtbNormalised; ++k) curves.normalised[k] += sizes <= static_cast<double>(k) / 100;
  }
  for (double& v : curves.success) v *= share;
  for (double& v : curves.precision) v *= share;
  for (double& v : curves.normalised) v *= share;
  return curves;
}

double OtbSequenceScores::success_auc() const {
  return std::accumulate(curves.success.begin(), curves.success.end(), 0.0) / static_cast<double>(kOtbOverlaps);
}

OtbScores otb_scores(std::vector<OtbSequenceScores> sequences) {
  AZ_CHECK(!sequences.empty(), "otb: no sequence to score");
  OtbScores scores;
  for (const OtbSequenceScores& s : sequences) {
    scores.success_auc += s.success_auc();
    scores.precision += s.curves.precision[kOtbDistance];
    scores.normalised += s.curves.normalised[kOtbNormDistance];
  }
  const auto count = static_cast<double>(sequences.size());
  scores.success_auc /= count;
  scores.precision /= count;
  scores.normalised /= count;
  scores.sequences = std::move(sequences);
  return scores;
}

}  // namespace az::eval
