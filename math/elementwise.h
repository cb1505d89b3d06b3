// Per-element formulas, forward from x and backward from what the op saved. T is float or double.
#pragma once

#include <cmath>

#include "math/exp.h"
#include "tensor/dtype.h"
#include "tensor/hd.h"

namespace az::math {

/// v as another of float, bf16, f16 and double, rounded to nearest even; double to 16 bits by way of float.
template <class To, class From>
AZ_HD To cast(From v) {
  return static_cast<To>(static_cast<Wide<To>>(static_cast<Wide<From>>(v)));
}

/// y = max(x, 0); backward from y.
struct Relu {
  template <class T>
  AZ_HD T forward(T x) const {
    return x > T(0) ? x : T(0);
  }
  template <class T>
  AZ_HD T backward(T y, T dy) const {
    return y > T(0) ? dy : T(0);
  }
};

/// y = exp(x); backward from y.
struct Exp {
  template <class T>
  AZ_HD T forward(T x) const {
    return std::exp(x);
  }
  template <class T>
  AZ_HD T backward(T y, T dy) const {
    return dy * y;
  }
};

/// y = 1 / (1 + exp(-x)), from the side that cannot overflow; backward from y.
struct Sigmoid {
  template <class T>
  AZ_HD T forward(T x) const {
    const T e = std::exp(x < T(0) ? x : -x);
    return (x < T(0) ? e : T(1)) / (T(1) + e);
  }
  template <class T>
  AZ_HD T backward(T y, T dy) const {
    return dy * y * (T(1) - y);
  }
};

/// y = exp(min(s * x, limit)), a polar or box distance; backward of x, and the term that s sums up.
template <class T>
struct ExpScaled {
  T s, limit;
  AZ_HD T forward(T x) const {
    const T z = s * x;
    return vector_exp(z < limit ? z : limit);
  }
  /// dL/dz; zero where the limit holds.
  AZ_HD T inner(T x, T y, T dy) const { return s * x < limit ? dy * y : T(0); }
};

}  // namespace az::math
