// The best cell of a Siamese tracker's score map: decoded boxes, the penalty for a change of size or shape, the window
// (SiamFC; SiamRPN, CVPR 2018, sections 3.2 and 4.3; specs/siammask.md section 12, steps 2 to 4).
//
// In double, 3125 candidates once a frame: nearly equal scores then rank alike on every device.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// An anchor by its centre and size, in pixels of the search crop, relative to the crop's centre.
struct SiamPrior {
  double cx, cy, w, h;
};

/// What the tracker knows of the object, and how it weighs.
struct SiamView {
  double w, h;              ///< size in the last frame, in pixels of this frame's search crop
  double penalty_k;         ///< of a change of size or shape
  double window_influence;  ///< share of the window in the rank
};

/// A candidate: how it ranks, and its box relative to the crop's centre, in pixels of the crop.
struct SiamCandidate {
  double rank, score, penalty;
  double x, y, w, h;
};

/// Side of the square with the area of a box to whose sides a share of their sum was added.
AZ_HD inline double siam_context(double w, double h, double share = 0.5) {
  const double pad = share * (w + h);
  return sqrt((w + pad) * (h + pad));
}

AZ_HD inline double siam_change(double ratio) { return ratio > 1 / ratio ? ratio : 1 / ratio; }

/// logits     of the background and the object
/// dx to dh   the head's four numbers
/// window     of the candidate's cell, 0 to 1
AZ_HD inline SiamCandidate siam_candidate(float background, float foreground, double dx, double dy, double dw,
                                          double dh, const SiamPrior& prior, double window, const SiamView& view) {
  SiamCandidate c;
  c.score = 1 / (1 + exp(static_cast<double>(background) - static_cast<double>(foreground)));
  c.x = dx * prior.w + prior.cx;
  c.y = dy * prior.h + prior.cy;
  c.w = exp(dw) * prior.w;
  c.h = exp(dh) * prior.h;
  const double size = siam_change(siam_context(c.w, c.h) / siam_context(view.w, view.h));
  const double shape = siam_change((view.w / view.h) / (c.w / c.h));
  c.penalty = exp(-(shape * size - 1) * view.penalty_k);
  c.rank = c.penalty * c.score * (1 - view.window_influence) + window * view.window_influence;
  return c;
}

/// The head's maps of a batch, NHWC, and what the candidates need besides.
struct SiamMaps {
  const float* classes;     // [images, cells, 2 anchors]: backgrounds, then objects
  const float* boxes;       // [images, cells, 4 anchors]: dx of the anchors, then dy, dw, dh
  const SiamPrior* priors;  // [anchors, cells]
  const double* window;     // [cells]
  const SiamView* views;    // [images]
  int64_t images, anchors, side;

  AZ_HD int64_t cells() const { return side * side; }
  /// Candidate `flat` = anchor * cells + cell.
  AZ_HD SiamCandidate candidate(int64_t image, int64_t flat) const {
    const int64_t anchor = flat / cells(), cell = flat - anchor * cells();
    const float* c = classes + (image * cells() + cell) * 2 * anchors + anchor;
    const float* b = boxes + (image * cells() + cell) * 4 * anchors + anchor;
    return siam_candidate(c[0], c[anchors], static_cast<double>(b[0]), static_cast<double>(b[anchors]),
                          static_cast<double>(b[2 * anchors]), static_cast<double>(b[3 * anchors]), priors[flat],
                          window[cell], views[image]);
  }
};

/// What the host reads of an image's best candidate.
struct SiamChoice {
  double flat;  // a whole number
  SiamCandidate best;
};

/// Whether candidate a goes before b: the higher rank, the first of equal ones; a rank that is no number goes last.
AZ_HD inline bool siam_before(double rank_a, int64_t a, double rank_b, int64_t b) {
  const bool number_a = rank_a == rank_a, number_b = rank_b == rank_b;
  if (number_a != number_b) return number_a;
  if (number_a && rank_a != rank_b) return rank_a > rank_b;
  return a < b;
}

}  // namespace az::math
