#include "cpu/siam_loss.h"

#include <cmath>

#include "cpu/block_sum.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

constexpr int64_t kBlock = 4096;  // elements added up at once

struct ClassSums {
  double positive = 0, negative = 0, positives = 0, negatives = 0;
  ClassSums& operator+=(const ClassSums& o) {
    positive += o.positive, negative += o.negative, positives += o.positives, negatives += o.negatives;
    return *this;
  }
};

double mean_or_zero(double sum, double count) { return count > 0 ? sum / count : 0; }

}  // namespace

template <class T>
void anchor_class_loss(const AnchorShape& shape, const T* logits, const int32_t* labels, T* loss, T* counts) {
  for (int64_t i = 0; i < shape.count(); ++i)
    AZ_CHECK(labels[i] >= -1 && labels[i] <= 1, "anchor_class_loss: label {} of anchor {}, want -1, 0 or 1", labels[i],
             i);
  const auto sums = sum_blocks<ClassSums>(shape.count(), kBlock, [&](int64_t begin, int64_t end) {
    ClassSums s;
    for (int64_t i = begin; i < end; ++i) {
      if (labels[i] < 0) continue;
      const auto value =
          static_cast<double>(math::pair_loss(logits[shape.at(i, 0, 2)], logits[shape.at(i, 1, 2)], labels[i]));
      (labels[i] == 1 ? s.positive : s.negative) += value;
      (labels[i] == 1 ? s.positives : s.negatives) += 1;
    }
    return s;
  });
  loss[0] = static_cast<T>(0.5 * mean_or_zero(sums.positive, sums.positives) +
                           0.5 * mean_or_zero(sums.negative, sums.negatives));
  counts[0] = static_cast<T>(sums.positives);
  counts[1] = static_cast<T>(sums.negatives);
}

template <class T>
void anchor_class_loss_backward(const AnchorShape& shape, const T* logits, const int32_t* labels, const T* counts,
                                const T* dy, T* dx) {
  parallel_for(shape.count(), kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = shape.at(i, 0, 2), f = shape.at(i, 1, 2);
      T slope = T(0);
      if (labels[i] >= 0)
        slope = dy[0] * T(0.5) / counts[labels[i] == 1 ? 0 : 1] * math::pair_slope(logits[b], logits[f], labels[i]);
      dx[f] = slope;
      dx[b] = -slope;
    }
  });
}

template <class T>
void anchor_box_loss(const AnchorShape& shape, const T* x, const T* target, const T* weight, T* loss) {
  const auto sum = sum_blocks<double>(shape.count(), kBlock, [&](int64_t begin, int64_t end) {
    double s = 0;
    for (int64_t i = begin; i < end; ++i) {
      T distance = T(0);
      for (int64_t q = 0; q < 4; ++q) {
        const int64_t at = shape.at(i, q, 4);
        distance += std::abs(x[at] - target[at]);
      }
      s += static_cast<double>(weight[i] * distance);
    }
    return s;
  });
  loss[0] = static_cast<T>(sum / static_cast<double>(shape.images));
}

template <class T>
void anchor_box_loss_backward(const AnchorShape& shape, const T* x, const T* target, const T* weight, const T* dy,
                              T* dx) {
  const T factor = dy[0] / static_cast<T>(shape.images);
  parallel_for(shape.count(), kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t q = 0; q < 4; ++q) {
        const int64_t at = shape.at(i, q, 4);
        const T difference = x[at] - target[at];
        dx[at] = factor * weight[i] * (difference > T(0) ? T(1) : difference < T(0) ? T(-1) : T(0));
      }
  });
}

template <class T>
void soft_margin_loss(int64_t rows, int64_t columns, const T* x, const T* target, const T* weight, T* loss, T* count) {
  const auto sum = sum_blocks<double>(rows, 1, [&](int64_t row, int64_t) {
    if (weight[row] == T(0)) return 0.0;
    double s = 0;
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i)
      s += static_cast<double>(math::softplus(-target[i] * x[i]));
    return s;
  });
  double chosen = 0;
  for (int64_t row = 0; row < rows; ++row) chosen += static_cast<double>(weight[row]);
  loss[0] = static_cast<T>(mean_or_zero(sum, chosen * static_cast<double>(columns)));
  count[0] = static_cast<T>(chosen);
}

template <class T>
void soft_margin_loss_backward(int64_t rows, int64_t columns, const T* x, const T* target, const T* weight,
                               const T* count, const T* dy, T* dx) {
  const T factor = count[0] > T(0) ? dy[0] / (count[0] * static_cast<T>(columns)) : T(0);
  parallel_for(rows * columns, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      dx[i] = weight[i / columns] == T(0) ? T(0) : factor * -target[i] * math::logistic(-target[i] * x[i]);
  });
}

#define AZ_INSTANTIATE(T)                                                                                            \
  template void anchor_class_loss<T>(const AnchorShape&, const T*, const int32_t*, T*, T*);                          \
  template void anchor_class_loss_backward<T>(const AnchorShape&, const T*, const int32_t*, const T*, const T*, T*); \
  template void anchor_box_loss<T>(const AnchorShape&, const T*, const T*, const T*, T*);                            \
  template void anchor_box_loss_backward<T>(const AnchorShape&, const T*, const T*, const T*, const T*, T*);         \
  template void soft_margin_loss<T>(int64_t, int64_t, const T*, const T*, const T*, T*, T*);                         \
  template void soft_margin_loss_backward<T>(int64_t, int64_t, const T*, const T*, const T*, const T*, const T*, T*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
