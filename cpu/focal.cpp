// A chunk of rows at a time: the signs are written (+1, and -1 at each row's label), then one flat loop runs over the
// chunk's logits, whatever the number of classes. About 40 vector instructions an element, two of them divisions.
#include "cpu/focal.h"

#include <algorithm>
#include <array>

#include "cpu/block_sum.h"
#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

constexpr int64_t kChunk = 2048;  // logits whose signs and losses stay in the nearest cache

#define AZ_LOOPS(T)                                                                                                   \
  AZ_SIMD double loss_loop(math::SigmoidFocal<T, true> f, const T* z, const T* sign, T* loss, int64_t count) {        \
    for (int64_t i = 0; i < count; ++i) loss[i] = f.loss(z[i], sign[i]);                                              \
    double part[8] = {};                                                                                              \
    int64_t i = 0;                                                                                                    \
    for (; i + 8 <= count; i += 8)                                                                                    \
      for (int64_t j = 0; j < 8; ++j) part[j] += double(loss[i + j]);                                                 \
    for (; i < count; ++i) part[i % 8] += double(loss[i]);                                                            \
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));                 \
  }                                                                                                                   \
  AZ_SIMD void slope_loop(math::SigmoidFocal<T, true> f, const T* z, const T* sign, T factor, T* dx, int64_t count) { \
    for (int64_t i = 0; i < count; ++i) dx[i] = factor * f.slope(z[i], sign[i]);                                      \
  }
AZ_LOOPS(float)
AZ_LOOPS(double)
#undef AZ_LOOPS

// Other exponents than 2 are not published by anybody we follow: plain loops.
template <class T>
double loss_loop(math::SigmoidFocal<T, false> f, const T* z, const T* sign, T*, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += double(f.loss(z[i], sign[i]));
  return sum;
}
template <class T>
void slope_loop(math::SigmoidFocal<T, false> f, const T* z, const T* sign, T factor, T* dx, int64_t count) {
  for (int64_t i = 0; i < count; ++i) dx[i] = factor * f.slope(z[i], sign[i]);
}

/// Calls f(first element, count, signs) for the logits of rows begin..end, none of them left out, a chunk at a time.
template <class T, class F>
void for_each_chunk(const int32_t* labels, int64_t begin, int64_t end, int64_t channels, const F& f) {
  std::array<T, kChunk> signs;
  for (int64_t at = begin * channels; at < end * channels; at += kChunk) {
    const int64_t count = std::min(kChunk, end * channels - at);
    std::fill_n(signs.begin(), count, T(1));
    for (int64_t row = at / channels; row * channels < at + count; ++row) {
      const int64_t present = row * channels + labels[row] - 1 - at;
      if (labels[row] > 0 && present >= 0 && present < count) signs[static_cast<size_t>(present)] = T(-1);
    }
    f(at, count, signs.data());
  }
}

/// Calls f(first row, last row + 1) for each stretch of rows whose label is not -1.
template <class F>
void for_each_stretch(const int32_t* labels, int64_t begin, int64_t end, const F& f) {
  for (int64_t row = begin; row < end;) {
    int64_t stop = row;
    while (stop < end && labels[stop] >= 0) ++stop;
    if (stop > row) f(row, stop);
    row = stop + 1;
  }
}

int64_t rows_per_block(int64_t channels) { return std::max<int64_t>(1, 4 * kChunk / channels); }

template <class T, bool kSquare>
double focal_sum(math::SigmoidFocal<T, kSquare> f, const T* logits, const int32_t* labels, int64_t rows,
                 int64_t channels) {
  return sum_blocks<double>(rows, rows_per_block(channels), [&](int64_t begin, int64_t end) {
    std::array<T, kChunk> losses;
    double sum = 0;
    for_each_stretch(labels, begin, end, [&](int64_t first, int64_t stop) {
      for_each_chunk<T>(labels, first, stop, channels, [&](int64_t at, int64_t count, const T* signs) {
        sum += loss_loop(f, logits + at, signs, losses.data(), count);
      });
    });
    return sum;
  });
}

template <class T, bool kSquare>
void focal_slopes(math::SigmoidFocal<T, kSquare> f, const T* logits, const int32_t* labels, int64_t rows,
                  int64_t channels, T factor, T* dx) {
  parallel_for(rows, rows_per_block(channels), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      if (labels[row] < 0) std::fill_n(dx + row * channels, channels, T(0));
    for_each_stretch(labels, begin, end, [&](int64_t first, int64_t stop) {
      for_each_chunk<T>(labels, first, stop, channels, [&](int64_t at, int64_t count, const T* signs) {
        slope_loop(f, logits + at, signs, factor, dx + at, count);
      });
    });
  });
}

/// Calls f with the formula, the squared one where gamma is 2.
template <class T, class F>
void with_formula(const FocalOptions& options, const F& f) {
  const T alpha = static_cast<T>(options.alpha);
  const T gamma = static_cast<T>(options.gamma);
  if (options.gamma == 2) {
    f(math::SigmoidFocal<T, true>{alpha, gamma});
  } else {
    f(math::SigmoidFocal<T, false>{alpha, gamma});
  }
}

int64_t count_positives(const int32_t* labels, int64_t rows, int64_t channels) {
  int64_t positives = 0;
  for (int64_t row = 0; row < rows; ++row) {
    AZ_CHECK(labels[row] >= -1 && labels[row] <= channels,
             "sigmoid_focal_loss: label {} in row {}, want -1 (left out), 0 (background) or up to {}", labels[row], row,
             channels);
    positives += labels[row] > 0;
  }
  return positives;
}

}  // namespace

template <class T>
void sigmoid_focal_loss(const T* logits, const int32_t* labels, int64_t rows, int64_t channels,
                        const FocalOptions& options, T* loss, T* norm) {
  const double normaliser = double(count_positives(labels, rows, channels)) + options.normaliser_extra;
  const double divisor = normaliser > 0 ? normaliser : 1;
  norm[0] = static_cast<T>(divisor);
  with_formula<T>(options,
                  [&](auto f) { loss[0] = static_cast<T>(focal_sum(f, logits, labels, rows, channels) / divisor); });
}

template <class T>
void sigmoid_focal_loss_backward(const T* logits, const int32_t* labels, int64_t rows, int64_t channels,
                                 const FocalOptions& options, const T* norm, const T* dy, T* dx) {
  const T factor = dy[0] / norm[0];
  with_formula<T>(options, [&](auto f) { focal_slopes(f, logits, labels, rows, channels, factor, dx); });
}

#define AZ_INSTANTIATE(T)                                                                                       \
  template void sigmoid_focal_loss<T>(const T*, const int32_t*, int64_t, int64_t, const FocalOptions&, T*, T*); \
  template void sigmoid_focal_loss_backward<T>(const T*, const int32_t*, int64_t, int64_t, const FocalOptions&, \
                                               const T*, const T*, T*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
