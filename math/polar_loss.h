// The losses of one positive location: polar IoU, box IoU and centerness. T is float or double.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// Polar centerness of one set of rays: sqrt(shortest / longest), 0 where all are 0.   rays [count]
template <class T>
AZ_HD T polar_centerness(const T* rays, int64_t count) {
  T shortest = rays[0], longest = rays[0];
  for (int64_t k = 1; k < count; ++k) {
    shortest = rays[k] < shortest ? rays[k] : shortest;
    longest = rays[k] > longest ? rays[k] : longest;
  }
  return longest > T(0) ? std::sqrt(shortest / longest) : T(0);
}

/// log(sum max(d, t)^n / sum min(d, t)^n), n = 1 or, with kSquared, 2: the polar IoU loss, discrete form of the
/// logarithm of the ratio of two areas.   The prediction takes both gradients where d = t.
template <bool kSquared>
struct PolarIouOfSums {
  template <class T>
  struct Sums {
    T larger = 0, smaller = 0;
    AZ_HD Sums(const T* d, const T* t, int64_t count) {
      for (int64_t k = 0; k < count; ++k) {
        larger += power(d[k] > t[k] ? d[k] : t[k]);
        smaller += power(d[k] > t[k] ? t[k] : d[k]);
      }
    }
  };
  template <class T>
  AZ_HD T loss(const T* d, const T* t, int64_t count) const {
    const Sums<T> sums(d, t, count);
    return std::log(sums.larger / sums.smaller);
  }
  template <class T>
  AZ_HD void backward(const T* d, const T* t, int64_t count, T factor, T* dx) const {
    const Sums<T> sums(d, t, count);
    const T above = factor / sums.larger;
    const T below = factor / sums.smaller;
    for (int64_t k = 0; k < count; ++k) {
      const T slope = (d[k] >= t[k] ? above : T(0)) - (d[k] <= t[k] ? below : T(0));
      dx[k] = kSquared ? T(2) * d[k] * slope : slope;
    }
  }

 private:
  template <class T>
  AZ_HD static T power(T length) {
    return kSquared ? length * length : length;
  }
};

/// Mean over rays of log(max(d, t) / max(min(d, t), 1e-6)).
struct PolarIouOfRays {
  template <class T>
  AZ_HD T loss(const T* d, const T* t, int64_t count) const {
    T sum = 0;
    for (int64_t k = 0; k < count; ++k) {
      const T smaller = d[k] > t[k] ? t[k] : d[k];
      sum += std::log((d[k] > t[k] ? d[k] : t[k]) / (smaller > kFloor<T> ? smaller : kFloor<T>));
    }
    return sum / static_cast<T>(count);
  }
  template <class T>
  AZ_HD void backward(const T* d, const T* t, int64_t count, T factor, T* dx) const {
    const T each = factor / static_cast<T>(count);
    for (int64_t k = 0; k < count; ++k) {
      T slope = 0;
      if (d[k] >= t[k]) slope += each / d[k];
      if (d[k] <= t[k] && d[k] >= kFloor<T>) slope -= each / d[k];
      dx[k] = slope;
    }
  }

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
