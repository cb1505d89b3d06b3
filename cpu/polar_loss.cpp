// Few rows are positive (tens an object), so the time goes into reading labels and writing zeros: 4 bytes a row
// forward, 4 r bytes a row backward.
#include "cpu/polar_loss.h"

#include <algorithm>

#include "cpu/block_sum.h"

namespace az::cpu {
namespace {

constexpr int64_t kBlock = 256;  // rows summed by one loop

struct WeightedSum {
  double weight = 0, value = 0;
  void operator+=(const WeightedSum& other) {
    weight += other.weight;
    value += other.value;
  }
};

/// row_loss(row) of the rows that count, as a weighted mean.
template <class T, class F>
void weighted_mean(const Rows<T>& rows, T* loss, T* norm, const F& row_loss) {
  const auto total = sum_blocks<WeightedSum>(rows.count, kBlock, [&](int64_t begin, int64_t end) {
    WeightedSum sum;
    for (int64_t row = begin; row < end; ++row) {
      const T weight = rows.weight_of(row);
      if (weight != T(0)) sum += {double(weight), double(weight) * double(row_loss(row))};
    }
    return sum;
  });
  norm[0] = static_cast<T>(total.weight);
  loss[0] = total.weight == 0 ? T(0) : static_cast<T>(total.value / total.weight);
}

/// row_backward(row, factor, dx of the row) for the rows that count, zeros elsewhere.   dx [rows, columns]
template <class T, class F>
void weighted_mean_backward(const Rows<T>& rows, int64_t columns, const T* norm, const T* dy, T* dx,
                            const F& row_backward) {
  const T scale = norm[0] == T(0) ? T(0) : dy[0] / norm[0];
  parallel_for(rows.count, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T weight = rows.weight_of(row);
      T* to = dx + row * columns;
      if (weight != T(0)) {
        row_backward(row, scale * weight, to);
      } else {
        std::fill_n(to, columns, T(0));
      }
    }
  });
}

template <class Formula, class T>
typename Formula::template Sums<T> sums_of(const T* d, const T* t, int64_t count) {
  typename Formula::template Sums<T> sums;
  for (int64_t k = 0; k < count; ++k) sums.add(d[k], t[k]);
  return sums;
}

/// Calls f with the formula.
template <class F>
void with_formula(PolarIouKind kind, const F& f) {
  switch (kind) {
    case PolarIouKind::v1: return f(math::PolarIouOfSums<false>{});
    case PolarIouKind::v2: return f(math::PolarIouOfRays{});
    case PolarIouKind::v3: return f(math::PolarIouOfSums<true>{});
  }
}

}  // namespace

template <class T>
void polar_centerness(const T* rays, const int32_t* labels, int64_t rows, int64_t r, T* centerness) {
  parallel_for(rows, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      centerness[row] = labels[row] > 0 ? math::polar_centerness(rays + row * r, r) : T(0);
  });
}

template <class T>
void polar_iou_loss(PolarIouKind kind, const T* pred, const T* target, const Rows<T>& rows, int64_t r, T* loss,
                    T* norm) {
  with_formula(kind, [&]<class Formula>(Formula) {
    weighted_mean(rows, loss, norm,
                  [&](int64_t row) { return sums_of<Formula>(pred + row * r, target + row * r, r).loss(r); });
  });
}

template <class T>
void polar_iou_loss_backward(PolarIouKind kind, const T* pred, const T* target, const Rows<T>& rows, int64_t r,
                             const T* norm, const T* dy, T* dx) {
  with_formula(kind, [&]<class Formula>(Formula) {
    weighted_mean_backward(rows, r, norm, dy, dx, [&](int64_t row, T factor, T* to) {
      const T *d = pred + row * r, *t = target + row * r;
      const typename Formula::template Gradient<T> gradient(sums_of<Formula>(d, t, r), r, factor);
      for (int64_t k = 0; k < r; ++k) to[k] = gradient.slope(d[k], t[k]);
    });
  });
}

template <class T>
void box_iou_loss(const T* points, int64_t l, const T* pred, const T* target, const Rows<T>& rows, T* loss, T* norm) {
  weighted_mean(rows, loss, norm, [&](int64_t row) {
    return math::BoxIou{}.loss(points + row % l * 2, pred + row * 4, target + row * 4);
  });
}

template <class T>
void box_iou_loss_backward(const T* points, int64_t l, const T* pred, const T* target, const Rows<T>& rows,
                           const T* norm, const T* dy, T* dx) {
  weighted_mean_backward(rows, 4, norm, dy, dx, [&](int64_t row, T factor, T* to) {
    math::BoxIou{}.backward(points + row % l * 2, pred + row * 4, target + row * 4, factor, to);
  });
}

template <class T>
void centerness_bce(const T* logits, const T* target, const Rows<T>& rows, T* loss, T* norm) {
  weighted_mean(rows, loss, norm,
                [&](int64_t row) { return math::BinaryCrossEntropy{}.loss(logits[row], target[row]); });
}

template <class T>
void centerness_bce_backward(const T* logits, const T* target, const Rows<T>& rows, const T* norm, const T* dy, T* dx) {
  weighted_mean_backward(rows, 1, norm, dy, dx, [&](int64_t row, T factor, T* to) {
    to[0] = factor * math::BinaryCrossEntropy{}.slope(logits[row], target[row]);
  });
}

#define AZ_INSTANTIATE(T)                                                                                           \
  template void polar_centerness<T>(const T*, const int32_t*, int64_t, int64_t, T*);                                \
  template void polar_iou_loss<T>(PolarIouKind, const T*, const T*, const Rows<T>&, int64_t, T*, T*);               \
  template void polar_iou_loss_backward<T>(PolarIouKind, const T*, const T*, const Rows<T>&, int64_t, const T*,     \
                                           const T*, T*);                                                           \
  template void box_iou_loss<T>(const T*, int64_t, const T*, const T*, const Rows<T>&, T*, T*);                     \
  template void box_iou_loss_backward<T>(const T*, int64_t, const T*, const T*, const Rows<T>&, const T*, const T*, \
                                         T*);                                                                       \
  template void centerness_bce<T>(const T*, const T*, const Rows<T>&, T*, T*);                                      \
  template void centerness_bce_backward<T>(const T*, const T*, const Rows<T>&, const T*, const T*, T*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
