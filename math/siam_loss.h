// The three losses of a Siamese tracker, one element at a time.
#pragma once

#include "math/exp.h"

namespace az::math {

/// ln(1 + exp(x)) and its derivative, the logistic function.
template <class T>
AZ_HD T softplus(T x) {
  const T e = vector_exp(x < T(0) ? x : -x);
  return (x < T(0) ? T(0) : x) + vector_log1p(e);
}
template <class T>
AZ_HD T logistic(T x) {
  const T e = vector_exp(x < T(0) ? x : -x);
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

/// Dense maps [images, cells, q * anchors + a]: channel q of anchor a.
struct AnchorShape {
  int64_t images, cells, anchors;

  AZ_HD int64_t count() const { return images * cells * anchors; }
  /// Where quantity `q` of `of` of the i-th anchor of a cell lies; i counts images, cells and anchors.
  AZ_HD int64_t at(int64_t i, int64_t q, int64_t of) const {
    const int64_t cell = i / anchors;
    return cell * of * anchors + q * anchors + (i - cell * anchors);
  }
};

/// -log softmax over (background, foreground) of the class that the label names: ln(1 + exp(other - own)).
template <class T>
AZ_HD T pair_loss(T background, T foreground, int32_t label) {
  return softplus(label == 1 ? background - foreground : foreground - background);
}
/// Its slope in the foreground's logit; the background's is the opposite.
template <class T>
AZ_HD T pair_slope(T background, T foreground, int32_t label) {
  return label == 1 ? -logistic(background - foreground) : logistic(foreground - background);
}

}  // namespace az::math
