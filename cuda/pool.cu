// Max-pooling over NHWC: y[o] = max of x over a window, and its gradient (PyTorch's max_pool2d).
//
// Shapes    x [n, h, w, c] -> y, tap [n, h', w', c]; tap is the place of the maximum in its window, one byte.
// Mapping   cuda/pixels.cuh: a thread owns 16 bytes of channels of one pixel of the map that is written.
// Forward   reads each x once from memory (overlapping windows meet in the caches), writes y and tap:
//           e * (s^2 + 1) + 1 bytes an output of e bytes at stride s, kernel^2 comparisons. Limit: memory.
// Backward  a gather: a pixel of dx asks the windows over it (at most ceil(kernel / stride)^2) whether it was their
//           maximum. Reads dy and tap once from memory, writes dx: e + (e + 1) / s^2 bytes an input.
// Same bits every time and as the CPU: a fixed order of windows, no atomics, sums in f32 (f64 for double).
//
// Ladder (not measured: no GPU yet)
//   v1  an element a thread, 64-bit divisions for its place
//   v2  16 bytes a thread, rows from the grid, division by multiplication (this)
#include "cuda/pool.h"

#include <limits>

#include "cuda/pack.cuh"
#include "cuda/pixels.cuh"

namespace az::cuda {
namespace {

/// Shape of the map that is read, and the windows.
struct Pooling {
  int32_t h_in, w_in, h_out, w_out;
  math::WindowsOf<int32_t, Divider> windows;

  explicit Pooling(const math::PoolShape& s)
      : h_in(static_cast<int32_t>(s.h_in)),
        w_in(static_cast<int32_t>(s.w_in)),
        h_out(static_cast<int32_t>(s.h_out)),
        w_out(static_cast<int32_t>(s.w_out)),
        windows{static_cast<int32_t>(s.windows.kernel), Divider(s.windows.stride),
                static_cast<int32_t>(s.windows.padding)} {}
};

template <class T, int N>
__global__ void __launch_bounds__(kPixelThreads)
    max_pool_kernel(const T* __restrict__ x, T* __restrict__ y, uint8_t* __restrict__ tap, Pixels out, Pooling pool) {
  using W = Wide<T>;
  for_each_pack<N>(out, [&](int32_t image_row, int32_t column, int32_t channel) {
    const int32_t image = image_row / out.height, row = image_row - image * out.height;
    const int32_t row0 = pool.windows.begin(row), column0 = pool.windows.begin(column);
    const int32_t top = max(row0, 0), bottom = min(row0 + pool.windows.kernel, pool.h_in);
    const int32_t left = max(column0, 0), right = min(column0 + pool.windows.kernel, pool.w_in);
    const int64_t x_row = int64_t{pool.w_in} * out.channels;
    const T* from = x + (int64_t{image} * pool.h_in + top) * x_row + channel;
    W best[N];
    int32_t which[N];
    for (int k = 0; k < N; ++k) {
      best[k] = -std::numeric_limits<W>::infinity();
      which[k] = (top - row0) * pool.windows.kernel + left - column0;
    }
    for (int32_t i = top; i < bottom; ++i, from += x_row)
      for (int32_t j = left; j < right; ++j) {
        const Pack<T, N> values = load_pack<N>(from + j * out.channels);
        const int32_t place = (i - row0) * pool.windows.kernel + j - column0;
        for (int k = 0; k < N; ++k) {
          const W v = static_cast<W>(values.v[k]);
          const bool wins = math::beats(v, best[k]);
          best[k] = wins ? v : best[k];
          which[k] = wins ? place : which[k];
        }
      }
    Pack<T, N> values;
    Pack<uint8_t, N> places;
    for (int k = 0; k < N; ++k) {
      values.v[k] = static_cast<T>(best[k]);
      places.v[k] = static_cast<uint8_t>(which[k]);
    }
    store_pack(y + out.at(image_row, column, channel), values);
    store_pack(tap + out.at(image_row, column, channel), places);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kPixelThreads)
    max_pool_backward_kernel(const T* __restrict__ dy, const uint8_t* __restrict__ tap, T* __restrict__ dx, Pixels in,
                             Pooling pool) {
  using W = Wide<T>;
  for_each_pack<N>(in, [&](int32_t image_row, int32_t column, int32_t channel) {
    const int32_t image = image_row / in.height, row = image_row - image * in.height;
    const int32_t top = pool.windows.first_over(row), bottom = pool.windows.end_over(row, pool.h_out);
    const int32_t left = pool.windows.first_over(column), right = pool.windows.end_over(column, pool.w_out);
    const int64_t y_row = int64_t{pool.w_out} * in.channels;
    int64_t row_at = (int64_t{image} * pool.h_out + top) * y_row + channel;
    W sum[N] = {};
    for (int32_t oy = top; oy < bottom; ++oy, row_at += y_row)
      for (int32_t ox = left; ox < right; ++ox) {
        const Pack<T, N> gradients = load_pack<N>(dy + row_at + ox * in.channels);
        const Pack<uint8_t, N> places = load_pack<N>(tap + row_at + ox * in.channels);
        const int32_t place = (row - pool.windows.begin(oy)) * pool.windows.kernel + column - pool.windows.begin(ox);
        for (int k = 0; k < N; ++k) sum[k] += int32_t{places.v[k]} == place ? static_cast<W>(gradients.v[k]) : W(0);
      }
    Pack<T, N> sums;
    for (int k = 0; k < N; ++k) sums.v[k] = static_cast<T>(sum[k]);
    store_pack(dx + in.at(image_row, column, channel), sums);
  });
}

template <class T, int N>
void start_max_pool(Stream& stream, const T* x, T* y, uint8_t* tap, const math::PoolShape& s) {
  const Pixels out(s.images, s.h_out, s.w_out, s.channels, N);
  launch(stream, "max_pool_kernel", out.grid(N), kPixelThreads, 0, max_pool_kernel<T, N>, x, y, tap, out, Pooling(s));
}

template <class T, int N>
void start_max_pool_backward(Stream& stream, const T* dy, const uint8_t* tap, T* dx, const math::PoolShape& s) {
  const Pixels in(s.images, s.h_in, s.w_in, s.channels, N);
  launch(stream, "max_pool_backward_kernel", in.grid(N), kPixelThreads, 0, max_pool_backward_kernel<T, N>, dy, tap, dx,
         in, Pooling(s));
}

bool empty(const math::PoolShape& s) { return s.images == 0 || s.channels == 0; }

}  // namespace

template <class T>
void max_pool(Stream& stream, const T* x, T* y, uint8_t* tap, const math::PoolShape& shape) {
  if (empty(shape)) return;
  if (packs<T>(shape.channels, x, y, tap)) {
    start_max_pool<T, kPack<T>>(stream, x, y, tap, shape);
  } else {
    start_max_pool<T, 1>(stream, x, y, tap, shape);
  }
}

template <class T>
void max_pool_backward(Stream& stream, const T* dy, const uint8_t* tap, T* dx, const math::PoolShape& shape) {
  if (empty(shape)) return;
  if (packs<T>(shape.channels, dy, tap, dx)) {
    start_max_pool_backward<T, kPack<T>>(stream, dy, tap, dx, shape);
  } else {
    start_max_pool_backward<T, 1>(stream, dy, tap, dx, shape);
  }
}

#define AZ_INSTANTIATE(T)                                                             \
  template void max_pool<T>(Stream&, const T*, T*, uint8_t*, const math::PoolShape&); \
  template void max_pool_backward<T>(Stream&, const T*, const uint8_t*, T*, const math::PoolShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
