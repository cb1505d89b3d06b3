// The sigmoid focal loss of one logit.
//
// With x = z for a class that is absent and x = -z for the one that is present, both cases are one formula:
//   loss = a * p^gamma * s,  p = sigmoid(x),  s = softplus(x) = -log(1 - p),  a = 1 - alpha or alpha
//   dloss/dz = sign * a * p^gamma * (p + gamma * (1 - p) * s),  sign = +1 or -1
#pragma once

#include <limits>

#include "math/exp.h"

namespace az::math {

struct FocalOptions {
  double alpha, gamma;
  double normaliser_extra;  ///< added to the number of positive rows
};

/// kSquare: gamma is 2, and no power is taken.
template <class T, bool kSquare>
struct SigmoidFocal {
  T alpha, gamma;

  /// sign: -1 where the logit's class is the label, else +1
  AZ_HD T loss(T z, T sign) const {
    const Parts at(sign * z, gamma);
    // The reference takes log(max(p, FLT_MIN)) of a present class.
    const T limit = sign < T(0) ? T(87.336544750553108986) : std::numeric_limits<T>::infinity();
    return weight(sign) * at.power * (at.softplus > limit ? limit : at.softplus);
  }
  AZ_HD T slope(T z, T sign) const {
    const Parts at(sign * z, gamma);
    return sign * weight(sign) * at.power * (at.p + gamma * at.q * at.softplus);
  }

 private:
  struct Parts {
    T p, q, softplus, power;  // sigmoid(x), 1 - sigmoid(x), -log(q), p^gamma
    AZ_HD Parts(T x, T gamma) {
      const T size = x < T(0) ? -x : x;
      const T e = vector_exp(-size);
      const T inverse = T(1) / (T(1) + e);
      p = (x < T(0) ? e : T(1)) * inverse;
      q = (x < T(0) ? T(1) : e) * inverse;
      const T log_sum = vector_log1p(e);
      softplus = (x < T(0) ? T(0) : x) + log_sum;
      power = p * p;
      if constexpr (!kSquare) power = vector_exp(gamma * ((x < T(0) ? x : T(0)) - log_sum));
    }
  };
  AZ_HD T weight(T sign) const { return sign < T(0) ? alpha : T(1) - alpha; }
};

}  // namespace az::math
