#include "cpu/pool.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "cpu/parallel.h"
#include "tensor/dtype.h"
#include "tensor/simd.h"

// The bodies are templates; each is compiled for every instruction set inside a plain function marked AZ_SIMD.
#define AZ_BODY inline __attribute__((always_inline))

namespace az::cpu {
namespace {

constexpr int64_t kChannels = 64;  // channels whose maxima or sums are kept on the stack
constexpr int64_t kColumns = 32;   // columns likewise; at least a window

/// One window of one pixel of y: rows [top, bottom) and columns [left, right) of one image x, both inside it.
struct Window {
  int64_t top, bottom, left, right;
  int64_t row0, column0;  // where the window begins, perhaps outside the image
};

template <class T>
AZ_BODY void window_body(const T* x, const Window& at, const PoolShape& shape, T* __restrict y,
                         uint8_t* __restrict tap) {
  using W = Wide<T>;
  // The tap has the width of the value, so that both are chosen by one mask.
  using Index = std::conditional_t<sizeof(W) == 4, int32_t, int64_t>;
  W best[kChannels];
  Index which[kChannels];
  for (int64_t c0 = 0; c0 < shape.channels; c0 += kChannels) {
    const int64_t count = std::min(kChannels, shape.channels - c0);
    for (int64_t c = 0; c < count; ++c) {
      best[c] = -std::numeric_limits<W>::infinity();
      which[c] = static_cast<Index>((at.top - at.row0) * shape.windows.kernel + at.left - at.column0);
    }
    for (int64_t i = at.top; i < at.bottom; ++i)
      for (int64_t j = at.left; j < at.right; ++j) {
        const T* pixel = x + (i * shape.w_in + j) * shape.channels + c0;
        const auto place = static_cast<Index>((i - at.row0) * shape.windows.kernel + j - at.column0);
        for (int64_t c = 0; c < count; ++c) {
          const W v = W(pixel[c]);
          const bool wins = math::beats(v, best[c]);
          best[c] = wins ? v : best[c];
          which[c] = wins ? place : which[c];
        }
      }
    for (int64_t c = 0; c < count; ++c) y[c0 + c] = T(best[c]);
    for (int64_t c = 0; c < count; ++c) tap[c0 + c] = static_cast<uint8_t>(which[c]);
  }
}

template <class T>
AZ_BODY void widen(const T* __restrict x, Wide<T>* __restrict y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = Wide<T>(x[i]);
}

/// best = the larger of x and best, as math::beats says.
template <class T>
AZ_BODY void raise(const T* __restrict x, Wide<T>* __restrict best, int64_t count) {
  for (int64_t i = 0; i < count; ++i) best[i] = math::beats(Wide<T>(x[i]), best[i]) ? Wide<T>(x[i]) : best[i];
}

/// `count` channels from channel c on of the windows [ox0, ox1) of a row of y: first the largest of each column of
/// these windows, then of these the largest of each window. `x` holds the rows from `first` on.
template <class T>
AZ_BODY void values_body(const T* x, int64_t first, const Window& at, const PoolShape& shape, int64_t ox0, int64_t ox1,
                         int64_t c, int64_t count, T* __restrict y) {
  const math::Windows& w = shape.windows;
  Wide<T> columns[kColumns * kChannels], best[kChannels];
  const int64_t left = std::max<int64_t>(w.begin(ox0), 0), right = std::min(w.begin(ox1 - 1) + w.kernel, shape.w_in);
  for (int64_t j = left; j < right; ++j) {
    Wide<T>* column = columns + (j - left) * kChannels;
    const T* pixel = x + ((at.top - first) * shape.w_in + j) * shape.channels + c;
    widen(pixel, column, count);
    for (int64_t i = at.top + 1; i < at.bottom; ++i) raise(pixel += shape.w_in * shape.channels, column, count);
  }
  for (int64_t ox = ox0; ox < ox1; ++ox) {
    const int64_t begin = std::max(w.begin(ox), left), end = std::min(w.begin(ox) + w.kernel, right);
    widen(columns + (begin - left) * kChannels, best, count);
    for (int64_t j = begin + 1; j < end; ++j) raise(columns + (j - left) * kChannels, best, count);
    for (int64_t i = 0; i < count; ++i) y[ox * shape.channels + c + i] = T(best[i]);
  }
}

/// A row of y without taps. `at` gives the window's rows; the columns are those of each pixel.
template <class T>
AZ_BODY void values_row_body(const T* x, int64_t first, const Window& at, const PoolShape& shape, T* __restrict y) {
  const int64_t together = std::max<int64_t>((kColumns - shape.windows.kernel) / shape.windows.stride + 1, 1);
  for (int64_t ox = 0; ox < shape.w_out; ox += together) {
    const int64_t end = std::min(ox + together, shape.w_out);
    int64_t c = 0;
    for (; c + kChannels <= shape.channels; c += kChannels)  // a constant count: the loops are unrolled
      values_body(x, first, at, shape, ox, end, c, kChannels, y);
    if (c < shape.channels) values_body(x, first, at, shape, ox, end, c, shape.channels - c, y);
  }
}

/// Row i of dx of one image.
template <class T>
AZ_BODY void backward_row_body(const T* dy, const uint8_t* tap, T* __restrict dx, int64_t i, const PoolShape& shape) {
  using W = Wide<T>;
  const math::Windows& w = shape.windows;
  W sum[kChannels];
  for (int64_t j = 0; j < shape.w_in; ++j, dx += shape.channels)
    for (int64_t c0 = 0; c0 < shape.channels; c0 += kChannels) {
      const int64_t count = std::min(kChannels, shape.channels - c0);
      for (int64_t c = 0; c < count; ++c) sum[c] = W(0);
      for (int64_t oy = w.first_over(i); oy < w.end_over(i, shape.h_out); ++oy)
        for (int64_t ox = w.first_over(j); ox < w.end_over(j, shape.w_out); ++ox) {
          const int64_t at = (oy * shape.w_out + ox) * shape.channels + c0;
          const auto place = static_cast<int32_t>((i - w.begin(oy)) * w.kernel + j - w.begin(ox));
          for (int64_t c = 0; c < count; ++c) {
            const W g = W(dy[at + c]);
            sum[c] += int32_t{tap[at + c]} == place ? g : W(0);
          }
        }
      for (int64_t c = 0; c < count; ++c) dx[c0 + c] = T(sum[c]);
    }
}

#define AZ_LOOPS(T)                                                                                           \
  AZ_SIMD void window_loop(const T* x, const Window& at, const PoolShape& shape, T* y, uint8_t* tap) {        \
    window_body(x, at, shape, y, tap);                                                                        \
  }                                                                                                           \
  AZ_SIMD void values_row_loop(const T* x, int64_t first, const Window& at, const PoolShape& shape, T* y) {   \
    values_row_body(x, first, at, shape, y);                                                                  \
  }                                                                                                           \
  AZ_SIMD void backward_row_loop(const T* dy, const uint8_t* tap, T* dx, int64_t i, const PoolShape& shape) { \
    backward_row_body(dy, tap, dx, i, shape);                                                                 \
  }
AZ_LOOPS(float)
AZ_LOOPS(double)
AZ_LOOPS(bf16)
#undef AZ_LOOPS

/// The rows of row r of y.
Window window_of(const PoolShape& shape, int64_t r) {
  Window at{};
  at.row0 = shape.windows.begin(r);
  at.top = std::max<int64_t>(at.row0, 0);
  at.bottom = std::min(at.row0 + shape.windows.kernel, shape.h_in);
  return at;
}

}  // namespace

template <class T>
void max_pool(const T* x, T* y, uint8_t* tap, const PoolShape& shape) {
  const math::Windows& w = shape.windows;
  parallel_for(shape.images * shape.h_out, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* image = x + r / shape.h_out * shape.h_in * shape.w_in * shape.channels;
      Window at = window_of(shape, r % shape.h_out);
      if (!tap) {
        values_row_loop(image, 0, at, shape, y + r * shape.w_out * shape.channels);
        continue;
      }
      for (int64_t ox = 0; ox < shape.w_out; ++ox) {
        at.column0 = w.begin(ox);
        at.left = std::max<int64_t>(at.column0, 0);
        at.right = std::min(at.column0 + w.kernel, shape.w_in);
        const int64_t out = (r * shape.w_out + ox) * shape.channels;
        window_loop(image, at, shape, y + out, tap + out);
      }
    }
  });
}

template <class T>
void max_pool_rows(const T* x, int64_t first, T* y, int64_t begin, int64_t end, const PoolShape& shape) {
  parallel_for(end - begin, 1, [&](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r)
      values_row_loop(x, first, window_of(shape, begin + r), shape, y + r * shape.w_out * shape.channels);
  });
}

template <class T>
void max_pool_backward(const T* dy, const uint8_t* tap, T* dx, const PoolShape& shape) {
  parallel_for(shape.images * shape.h_in, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t image = r / shape.h_in * shape.h_out * shape.w_out * shape.channels;
      backward_row_loop(dy + image, tap + image, dx + r * shape.w_in * shape.channels, r % shape.h_in, shape);
    }
  });
}

#define AZ_INSTANTIATE(T)                                                                    \
  template void max_pool<T>(const T*, T*, uint8_t*, const PoolShape&);                       \
  template void max_pool_rows<T>(const T*, int64_t, T*, int64_t, int64_t, const PoolShape&); \
  template void max_pool_backward<T>(const T*, const uint8_t*, T*, const PoolShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
AZ_INSTANTIATE(bf16)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
