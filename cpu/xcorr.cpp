// A row of outputs at a time. Sixteen f32 channels are one vector, and the sums of up to eight neighbouring columns
// (or, for the kernel's gradient, of eight taps of a kernel row) stay in registers while the taps pass by: a multiply
// and an add a tap, one operand straight from the cache. The sums' order does not depend on vectors or threads.
#include "cpu/xcorr.h"

#include <cstring>
#include <vector>

#include "cpu/parallel.h"
#include "tensor/simd.h"

// The bodies are templates; each is compiled for every instruction set inside a plain function marked AZ_SIMD.
#define AZ_BODY inline __attribute__((always_inline))

namespace az::cpu {
namespace {

using math::XcorrShape;

constexpr int64_t kSums = 8;          // vectors of sums held in registers
constexpr int64_t kVectorBytes = 64;  // of one of them

template <class T>
struct Vector {
  static constexpr int64_t kSize = kVectorBytes / static_cast<int64_t>(sizeof(T));
  typedef T Type __attribute__((vector_size(kVectorBytes)));
};

/// `count` channels of a pixel, all of the vector's if kWhole; zeros fill the rest.
template <bool kWhole, class T, class V>
AZ_BODY void load(V& v, const T* from, int64_t count) {
  if constexpr (!kWhole) v = V{};
  std::memcpy(&v, from, kWhole ? sizeof v : static_cast<size_t>(count) * sizeof(T));
}
template <bool kWhole, class T, class V>
AZ_BODY void store(T* to, const V& v, int64_t count) {
  std::memcpy(to, &v, kWhole ? sizeof v : static_cast<size_t>(count) * sizeof(T));
}

/// `columns` outputs from column `first` of one row: tap (i, j) of output p reads pixel (row + kStep * i, p + kStep *
/// j) of `in` [h_in, w_in, channels], and counts for nothing outside of it (which happens only if kStep is -1).
template <int kStep, bool kWhole, class T>
AZ_BODY void columns_body(const T* in, int64_t h_in, int64_t w_in, const T* kernel, const XcorrShape& s, int64_t row,
                          int64_t first, int64_t columns, int64_t channel, T* out) {
  using V = typename Vector<T>::Type;
  const int64_t count = s.channels - channel;
  const bool inside = kStep > 0 || (first - (s.kw - 1) >= 0 && first + columns <= w_in);
  V sum[kSums] = {};
  for (int64_t i = 0; i < s.kh; ++i) {
    const int64_t y = row + kStep * i;
    if (y < 0 || y >= h_in) continue;
    for (int64_t j = 0; j < s.kw; ++j) {
      V tap, x;
      load<kWhole>(tap, kernel + (i * s.kw + j) * s.channels + channel, count);
      const int64_t from = first + kStep * j;
      const T* pixel = in + (y * w_in + from) * s.channels + channel;
#pragma GCC unroll 8
      for (int64_t p = 0; p < kSums; ++p) {
        if (p >= columns) break;
        if (!inside && (from + p < 0 || from + p >= w_in)) continue;
        load<kWhole>(x, pixel + p * s.channels, count);
        sum[p] += x * tap;
      }
    }
  }
#pragma GCC unroll 8
  for (int64_t p = 0; p < kSums; ++p)
    if (p < columns) store<kWhole>(out + (first + p) * s.channels + channel, sum[p], count);
}

/// One row of outputs [w_out, channels], its columns in even parts of at most kSums.
template <int kStep, class T>
AZ_BODY void row_body(const T* in, int64_t h_in, int64_t w_in, const T* kernel, const XcorrShape& s, int64_t row,
                      int64_t w_out, T* out) {
  const int64_t parts = (w_out + kSums - 1) / kSums;
  for (int64_t channel = 0; channel < s.channels; channel += Vector<T>::kSize)
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t first = w_out * part / parts, columns = w_out * (part + 1) / parts - first;
      if (s.channels - channel >= Vector<T>::kSize) {
        columns_body<kStep, true>(in, h_in, w_in, kernel, s, row, first, columns, channel, out);
      } else {
        columns_body<kStep, false>(in, h_in, w_in, kernel, s, row, first, columns, channel, out);
      }
    }
}

/// Taps j0 .. j0 + taps of row i of the kernel's gradient, over one image. Rows of outputs are summed one by one, then
/// added, so that the roundings of 25 x 25 products stay small.
template <bool kWhole, class T>
AZ_BODY void taps_body(const T* search, const T* dy, const XcorrShape& s, int64_t i, int64_t j0, int64_t taps,
                       int64_t channel, T* dkernel) {
  using V = typename Vector<T>::Type;
  const int64_t count = s.channels - channel, w_out = s.w_out();
  V total[kSums] = {};
  for (int64_t row = 0; row < s.h_out(); ++row) {
    V sum[kSums] = {};
    const T* x_row = search + ((row + i) * s.w + j0) * s.channels + channel;
    const T* g_row = dy + row * w_out * s.channels + channel;
    for (int64_t p = 0; p < w_out; ++p) {
      V x, g;
      load<kWhole>(g, g_row + p * s.channels, count);
#pragma GCC unroll 8
      for (int64_t j = 0; j < kSums; ++j) {
        if (j >= taps) break;
        load<kWhole>(x, x_row + (p + j) * s.channels, count);
        sum[j] += x * g;
      }
    }
    for (int64_t j = 0; j < kSums; ++j) total[j] += sum[j];
  }
  for (int64_t j = 0; j < taps; ++j)
    store<kWhole>(dkernel + (i * s.kw + j0 + j) * s.channels + channel, total[j], count);
}

/// Row i of the kernel's gradient [kw, channels] over one image, for one vector of channels.
template <class T>
AZ_BODY void kernel_row_body(const T* search, const T* dy, const XcorrShape& s, int64_t i, int64_t channel,
                             T* dkernel) {
  for (int64_t j0 = 0; j0 < s.kw; j0 += kSums) {
    const int64_t taps = std::min(kSums, s.kw - j0);
    if (s.channels - channel >= Vector<T>::kSize) {
      taps_body<true>(search, dy, s, i, j0, taps, channel, dkernel);
    } else {
      taps_body<false>(search, dy, s, i, j0, taps, channel, dkernel);
    }
  }
}

#define AZ_LOOPS(T)                                                                                                    \
  AZ_SIMD void forward_row(const T* search, const T* kernel, const XcorrShape& s, int64_t row, T* y) {                 \
    row_body<1>(search, s.h, s.w, kernel, s, row, s.w_out(), y);                                                       \
  }                                                                                                                    \
  AZ_SIMD void backward_row(const T* dy, const T* kernel, const XcorrShape& s, int64_t row, T* dsearch) {              \
    row_body<-1>(dy, s.h_out(), s.w_out(), kernel, s, row, s.w, dsearch);                                              \
  }                                                                                                                    \
  AZ_SIMD void kernel_row(const T* search, const T* dy, const XcorrShape& s, int64_t i, int64_t channel, T* dkernel) { \
    kernel_row_body(search, dy, s, i, channel, dkernel);                                                               \
  }
AZ_LOOPS(float)
AZ_LOOPS(double)
#undef AZ_LOOPS

}  // namespace

template <class T>
void xcorr(const T* search, const T* kernel, T* y, const XcorrShape& s) {
  parallel_for(s.images * s.h_out(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t image = r / s.h_out();
      forward_row(search + image * s.search_count(), kernel + s.kernel_at(image), s, r % s.h_out(),
                  y + r * s.w_out() * s.channels);
    }
  });
}

template <class T>
void xcorr_backward_search(const T* dy, const T* kernel, T* dsearch, const XcorrShape& s) {
  parallel_for(s.images * s.h, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t image = r / s.h;
      backward_row(dy + image * s.y_count(), kernel + s.kernel_at(image), s, r % s.h, dsearch + r * s.w * s.channels);
    }
  });
}

template <class T>
void xcorr_backward_kernel(const T* search, const T* dy, T* dkernel, const XcorrShape& s) {
  std::vector<T> of_images(static_cast<size_t>(s.shared ? s.images * s.kernel_count() : 0));
  T* parts = s.shared ? of_images.data() : dkernel;
  const int64_t vectors = (s.channels + Vector<T>::kSize - 1) / Vector<T>::kSize;
  parallel_for(s.images * s.kh * vectors, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / (s.kh * vectors);
      kernel_row(search + image * s.search_count(), dy + image * s.y_count(), s, task / vectors % s.kh,
                 task % vectors * Vector<T>::kSize, parts + image * s.kernel_count());
    }
  });
  if (!s.shared) return;
  std::fill_n(dkernel, s.kernel_count(), T(0));
  for (int64_t image = 0; image < s.images; ++image)
    for (int64_t e = 0; e < s.kernel_count(); ++e) dkernel[e] += parts[image * s.kernel_count() + e];
}

#define AZ_INSTANTIATE(T)                                                            \
  template void xcorr<T>(const T*, const T*, T*, const XcorrShape&);                 \
  template void xcorr_backward_search<T>(const T*, const T*, T*, const XcorrShape&); \
  template void xcorr_backward_kernel<T>(const T*, const T*, T*, const XcorrShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
