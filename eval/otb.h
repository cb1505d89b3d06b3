// One-pass evaluation as OTB has it and pysot computes it (specs/vot.md section 8; STVIR/pysot
// toolkit/evaluation/ope_benchmark.py).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "cpu/rle.h"

namespace az::eval {

inline constexpr size_t kOtbOverlaps = 21;      ///< IoU 0, 0.05, …, 1
inline constexpr size_t kOtbDistances = 51;     ///< 0 to 50 pixels
inline constexpr size_t kOtbNormalised = 51;    ///< 0, 0.01, …, 0.5 of the object's size
inline constexpr size_t kOtbDistance = 20;      ///< the figure's pixels
inline constexpr size_t kOtbNormDistance = 20;  ///< the figure's position: 0.2

/// Shares of the frames, by threshold.
struct OtbCurves {
  std::array<double, kOtbOverlaps> success = {};       ///< IoU above it
  std::array<double, kOtbDistances> precision = {};    ///< centres at most so far apart
  std::array<double, kOtbNormalised> normalised = {};  ///< the same with centres in units of the object's size
};

/// Curves of one sequence of boxes x, y, w, h. Annotations without an area count as overlap -1, those whose centre is
/// not positive as distance -1, a hit, as in the reference. Frames that both lists have count. Error: no frame.
OtbCurves otb_curves(const std::vector<cpu::Box>& truth, const std::vector<cpu::Box>& predicted);

struct OtbSequenceScores {
  std::string name;
  OtbCurves curves;
  double success_auc() const;  ///< mean over the thresholds
};
struct OtbScores {
  double success_auc = 0, precision = 0, normalised = 0;  ///< means over the sequences: AUC, at 20 px, at 0.2
  std::vector<OtbSequenceScores> sequences;
};
/// Means over sequences. Error: none.
OtbScores otb_scores(std::vector<OtbSequenceScores> sequences);

}  // namespace az::eval
