// The losses of one positive location: polar IoU, box IoU and centerness. T is float or double.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// How two sets of rays are compared (ops/polar_loss.h): PolarIouOfSums<false>, PolarIouOfRays, PolarIouOfSums<true>.
enum class PolarIouKind { v1, v2, v3 };

/// The rows that count: labels > 0 and weight not 0.
template <class T>
struct Rows {
  const int32_t* labels;  ///< [count]
  const T* weight;        ///< [count], or null for 1
  int64_t count;

  AZ_HD T weight_of(int64_t row) const {
    if (labels[row] <= 0) return T(0);
    return weight ? weight[row] : T(1);
  }
};

/// Polar centerness: sqrt(shortest ray / longest ray), 0 where all are 0.
template <class T>
AZ_HD T centerness_of_extremes(T shortest, T longest) {
  return longest > T(0) ? std::sqrt(shortest / longest) : T(0);
}

/// Polar centerness of one set of rays.   rays [count]
template <class T>
AZ_HD T polar_centerness(const T* rays, int64_t count) {
  T shortest = rays[0], longest = rays[0];
  for (int64_t k = 1; k < count; ++k) {
    shortest = rays[k] < shortest ? rays[k] : shortest;
    longest = rays[k] > longest ? rays[k] : longest;
  }
  return centerness_of_extremes(shortest, longest);
}

// The polar IoU losses walk over a row's rays twice: add() every pair of a predicted length d and a target t to Sums,
// which give the row's loss; the gradient is then the slope() of every ray. The prediction takes both the gradient of
// the maximum and that of the minimum where d = t.

/// log(sum max(d, t)^n / sum min(d, t)^n), n = 1 or, with kSquared, 2: the polar IoU loss, discrete form of the
/// logarithm of the ratio of two areas.
template <bool kSquared>
struct PolarIouOfSums {
  template <class T>
  struct Sums {
    T larger = 0, smaller = 0;
    AZ_HD void add(T d, T t) {
      larger += power(d > t ? d : t);
      smaller += power(d > t ? t : d);
    }
    AZ_HD T loss(int64_t) const { return std::log(larger / smaller); }
  };
  /// `factor` times the gradient of a row's loss.
  template <class T>
  struct Gradient {
    T above, below;
    AZ_HD Gradient(const Sums<T>& sums, int64_t, T factor)
        : above(factor / sums.larger), below(factor / sums.smaller) {}
    AZ_HD T slope(T d, T t) const {
      const T slope = (d >= t ? above : T(0)) - (d <= t ? below : T(0));
      return kSquared ? T(2) * d * slope : slope;
    }
  };

 private:
  template <class T>
  AZ_HD static T power(T length) {
    return kSquared ? length * length : length;
  }
};

/// Mean over rays of log(max(d, t) / max(min(d, t), 1e-6)).
struct PolarIouOfRays {
  template <class T>
  struct Sums {
    T sum = 0;
    AZ_HD void add(T d, T t) {
      const T smaller = d > t ? t : d;
      sum += std::log((d > t ? d : t) / (smaller > kFloor<T> ? smaller : kFloor<T>));
    }
    AZ_HD T loss(int64_t count) const { return sum / static_cast<T>(count); }
  };
  template <class T>
  struct Gradient {
    T each;
    AZ_HD Gradient(const Sums<T>&, int64_t count, T factor) : each(factor / static_cast<T>(count)) {}
    AZ_HD T slope(T d, T t) const {
      T slope = 0;
      if (d >= t) slope += each / d;
      if (d <= t && d >= kFloor<T>) slope -= each / d;
      return slope;
    }
  };

 private:
  template <class T>
  static constexpr T kFloor = T(1e-6);
};

/// -log(max(IoU, 1e-6)) of two boxes given as distances left, top, right, bottom from one point. Sides count both end
/// pixels. The corners are formed as the reference does, so that roundings agree.
struct BoxIou {
  template <class T>
  AZ_HD T loss(const T* point, const T* pred, const T* target) const {
    const Overlap<T> o(point, pred, target);
    const T iou = o.area / o.all;
    return -std::log(iou > kFloor<T> ? iou : kFloor<T>);
  }
  template <class T>
  AZ_HD void backward(const T* point, const T* pred, const T* target, T factor, T* dx) const {
    const Overlap<T> o(point, pred, target);
    for (int side = 0; side < 4; ++side) {
      const bool horizontal = side % 2 == 0;
      // log(all) - log(area), where all = pred + target - area.
      const T area_slope = o.share[side] * (horizontal ? o.height : o.width);
      const T pred_slope = horizontal ? o.pred_height : o.pred_width;
      dx[side] =
          o.area >= kFloor<T> * o.all ? factor * ((pred_slope - area_slope) / o.all - area_slope / o.area) : T(0);
    }
  }

 private:
  template <class T>
  static constexpr T kFloor = T(1e-6);

  template <class T>
  struct Overlap {
    T width, height, area, all, pred_width, pred_height;
    T share[4];  ///< how much the overlap grows with each predicted distance: 1, 0, or a half where both agree

    AZ_HD Overlap(const T* point, const T* pred, const T* target) {
      T corner[4], wanted[4], inner[4];
      for (int side = 0; side < 4; ++side) {
        const T sign = side < 2 ? T(-1) : T(1);
        corner[side] = point[side % 2] + sign * pred[side];
        wanted[side] = point[side % 2] + sign * target[side];
        const T beyond = sign * (corner[side] - wanted[side]);  // > 0: the prediction reaches further
        inner[side] = beyond > T(0) ? wanted[side] : corner[side];
        share[side] = beyond > T(0) ? T(0) : beyond < T(0) ? T(1) : T(0.5);
      }
      width = inner[2] - inner[0] + T(1);
      height = inner[3] - inner[1] + T(1);
      width = width > T(0) ? width : T(0);
      height = height > T(0) ? height : T(0);
      area = width * height;
      pred_width = corner[2] - corner[0] + T(1);
      pred_height = corner[3] - corner[1] + T(1);
      all = pred_width * pred_height + (wanted[2] - wanted[0] + T(1)) * (wanted[3] - wanted[1] + T(1)) - area;
    }
  };
};

/// Binary cross-entropy of sigmoid(z) against c in [0, 1].
struct BinaryCrossEntropy {
  template <class T>
  AZ_HD T loss(T z, T c) const {
    return (z > T(0) ? z : T(0)) - z * c + std::log1p(std::exp(z > T(0) ? -z : z));
  }
  template <class T>
  AZ_HD T slope(T z, T c) const {
    const T e = std::exp(z > T(0) ? -z : z);
    return (z > T(0) ? T(1) : e) / (T(1) + e) - c;
  }
};

}  // namespace az::math
