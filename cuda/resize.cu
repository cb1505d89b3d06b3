// Resizing of NHWC maps, nearest and bilinear, and their gradients (PyTorch's interpolate; math/resize.h).
//
// Shapes    x [n, h, w, c] -> y [n, h', w', c]
// Mapping   cuda/pixels.cuh: a thread owns 16 bytes of channels of one pixel of the map that is written; when nearest
//           doubles both sides (the feature pyramid's case), of one pixel of the smaller map in both directions.
// Forward   e bytes read an input once (neighbours meet in the caches), e written an output. No arithmetic (nearest) or
//           9 operations an output (bilinear). Limit: memory.
// Backward  a gather: a pixel of dx finds the outputs that read it by inverting the axis, and sums them, for each
// column
//           over rows first. Reads dy once from memory, writes dx. Limit: memory.
// Same bits every time and as the CPU: a fixed order of terms, no atomics, sums in f32 (f64 for double).
//
// Ladder (not measured: no GPU yet)
//   v1  an element a thread; its place by 64-bit divisions and the source scale by another division
//   v2  16 bytes a thread, rows from the grid, scales from the host
//   v3  doubling: a load and four stores, or four loads and a store, without coordinates (this)
#include "cuda/resize.h"

#include "cuda/pack.cuh"
#include "cuda/pixels.cuh"

namespace az::cuda {
namespace {

/// The four outputs of a doubled pixel: rows 2 * row and 2 * row + 1, whichever the image.
struct Doubled {
  int64_t above, below;  // the left ones; the right ones follow `channels` later

  __device__ Doubled(const Pixels& in, int32_t row, int32_t column, int32_t channel)
      : above(4 * (row * in.row_elements()) + 2 * column * in.channels + channel),
        below(above + 2 * in.row_elements()) {}
};

template <class T, int N>
__global__ void __launch_bounds__(kPixelThreads)
    double_nearest_kernel(const T* __restrict__ x, T* __restrict__ y, Pixels in) {
  for_each_pack<N>(in, [&](int32_t row, int32_t column, int32_t channel) {
    const Pack<T, N> values = load_pack<N>(x + in.at(row, column, channel));
    const Doubled to(in, row, column, channel);
    store_pack(y + to.above, values);
    store_pack(y + to.above + in.channels, values);
    store_pack(y + to.below, values);
    store_pack(y + to.below + in.channels, values);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kPixelThreads)
    double_nearest_backward_kernel(const T* __restrict__ dy, T* __restrict__ dx, Pixels in) {
  using W = Wide<T>;
  for_each_pack<N>(in, [&](int32_t row, int32_t column, int32_t channel) {
    const Doubled from(in, row, column, channel);
    const Pack<T, N> a = load_pack<N>(dy + from.above), b = load_pack<N>(dy + from.above + in.channels);
    const Pack<T, N> c = load_pack<N>(dy + from.below), d = load_pack<N>(dy + from.below + in.channels);
    Pack<T, N> sums;
    for (int k = 0; k < N; ++k)
      sums.v[k] = static_cast<T>((static_cast<W>(a.v[k]) + static_cast<W>(c.v[k])) +
                                 (static_cast<W>(b.v[k]) + static_cast<W>(d.v[k])));
    store_pack(dx + in.at(row, column, channel), sums);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kPixelThreads)
    resize_nearest_kernel(const T* __restrict__ x, T* __restrict__ y, Pixels out, math::NearestAxis<Wide<T>> rows,
                          math::NearestAxis<Wide<T>> columns) {
  for_each_pack<N>(out, [&](int32_t image_row, int32_t column, int32_t channel) {
    const int32_t image = image_row / out.height, row = image_row - image * out.height;
    const int64_t from = (int64_t{image} * rows.in + rows.low(row)) * columns.in + columns.low(column);
    store_pack(y + out.at(image_row, column, channel), load_pack<N>(x + from * out.channels + channel));
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kPixelThreads)
    resize_bilinear_kernel(const T* __restrict__ x, T* __restrict__ y, Pixels out, math::LinearAxis<Wide<T>> rows,
                           math::LinearAxis<Wide<T>> columns) {
  using W = Wide<T>;
  for_each_pack<N>(out, [&](int32_t image_row, int32_t column, int32_t channel) {
    const int32_t image = image_row / out.height, row = image_row - image * out.height;
    const math::LinearTap<W> v = rows.tap(row), h = columns.tap(column);
    const int64_t x_row = int64_t{columns.in} * out.channels;
    const T* top = x + (int64_t{image} * rows.in + v.low) * x_row + channel;
    const T* bottom = top + (v.high - v.low) * x_row;
    const int32_t left = h.low * out.channels, right = h.high * out.channels;
    const Pack<T, N> a = load_pack<N>(top + left), b = load_pack<N>(top + right);
    const Pack<T, N> c = load_pack<N>(bottom + left), d = load_pack<N>(bottom + right);
    Pack<T, N> values;
    for (int k = 0; k < N; ++k)
      values.v[k] = static_cast<T>(
          v.low_weight * (h.low_weight * static_cast<W>(a.v[k]) + h.high_weight * static_cast<W>(b.v[k])) +
          v.high_weight * (h.low_weight * static_cast<W>(c.v[k]) + h.high_weight * static_cast<W>(d.v[k])));
    store_pack(y + out.at(image_row, column, channel), values);
  });
}

/// Calls f(output, weight) for the outputs in [begin, end) that read position `i`, in ascending order.
template <class Axis, class F>
__device__ void for_each_reading(const Axis& axis, int32_t i, int32_t begin, int32_t end, const F& f) {
  for (int32_t o = begin; o < end; ++o) {
    const auto tap = axis.tap(o);
    if (tap.low == i && tap.low_weight != 0) f(o, tap.low_weight);
    if (tap.high == i && tap.high_weight != 0) f(o, tap.high_weight);
  }
}

template <class T, int N, class Axis>
__global__ void __launch_bounds__(kPixelThreads, 4)
    resize_backward_kernel(const T* __restrict__ dy, T* __restrict__ dx, Pixels in, Axis rows, Axis columns) {
  using W = Wide<T>;
  for_each_pack<N>(in, [&](int32_t image_row, int32_t column, int32_t channel) {
    const int32_t image = image_row / in.height, row = image_row - image * in.height;
    const int32_t top = rows.first_reading(row), bottom = rows.end_reading(row);
    const int64_t y_row = int64_t{columns.out} * in.channels;
    const T* from = dy + int64_t{image} * rows.out * y_row + channel;
    W sum[N] = {};
    for_each_reading(columns, column, columns.first_reading(column), columns.end_reading(column),
                     [&](int32_t j, W column_weight) {
                       W part[N] = {};
                       for_each_reading(rows, row, top, bottom, [&](int32_t i, W row_weight) {
                         const Pack<T, N> g = load_pack<N>(from + i * y_row + j * in.channels);
                         for (int k = 0; k < N; ++k) part[k] += row_weight * static_cast<W>(g.v[k]);
                       });
                       for (int k = 0; k < N; ++k) sum[k] += column_weight * part[k];
                     });
    Pack<T, N> sums;
    for (int k = 0; k < N; ++k) sums.v[k] = static_cast<T>(sum[k]);
    store_pack(dx + in.at(image_row, column, channel), sums);
  });
}

bool doubles(math::Resize how, const math::ResizeShape& s) {
  return how == math::Resize::nearest && s.h_out == 2 * s.h_in && s.w_out == 2 * s.w_in;
}

template <class T, int N>
void start_forward(Stream& stream, math::Resize how, const T* x, T* y, const math::ResizeShape& s) {
  const Pixels in(s.images, s.h_in, s.w_in, s.channels, N), out(s.images, s.h_out, s.w_out, s.channels, N);
  if (doubles(how, s)) {
    launch(stream, "double_nearest_kernel", in.grid(N), kPixelThreads, 0, double_nearest_kernel<T, N>, x, y, in);
  } else if (how == math::Resize::nearest) {
    using Axis = math::NearestAxis<Wide<T>>;
    launch(stream, "resize_nearest_kernel", out.grid(N), kPixelThreads, 0, resize_nearest_kernel<T, N>, x, y, out,
           Axis(s.h_in, s.h_out), Axis(s.w_in, s.w_out));
  } else {
    using Axis = math::LinearAxis<Wide<T>>;
    const bool align = how == math::Resize::bilinear_aligned;
    launch(stream, "resize_bilinear_kernel", out.grid(N), kPixelThreads, 0, resize_bilinear_kernel<T, N>, x, y, out,
           Axis(s.h_in, s.h_out, align), Axis(s.w_in, s.w_out, align));
  }
}

template <class T, int N>
void start_backward(Stream& stream, math::Resize how, const T* dy, T* dx, const math::ResizeShape& s) {
  const Pixels in(s.images, s.h_in, s.w_in, s.channels, N);
  if (doubles(how, s)) {
    launch(stream, "double_nearest_backward_kernel", in.grid(N), kPixelThreads, 0, double_nearest_backward_kernel<T, N>,
           dy, dx, in);
  } else if (how == math::Resize::nearest) {
    using Axis = math::NearestAxis<Wide<T>>;
    launch(stream, "resize_backward_kernel", in.grid(N), kPixelThreads, 0, resize_backward_kernel<T, N, Axis>, dy, dx,
           in, Axis(s.h_in, s.h_out), Axis(s.w_in, s.w_out));
  } else {
    using Axis = math::LinearAxis<Wide<T>>;
    const bool align = how == math::Resize::bilinear_aligned;
    launch(stream, "resize_backward_kernel", in.grid(N), kPixelThreads, 0, resize_backward_kernel<T, N, Axis>, dy, dx,
           in, Axis(s.h_in, s.h_out, align), Axis(s.w_in, s.w_out, align));
  }
}

}  // namespace

template <class T>
void resize(Stream& stream, math::Resize how, const T* x, T* y, const math::ResizeShape& shape) {
  if (shape.images == 0 || shape.channels == 0) return;
  if (packs<T>(shape.channels, x, y)) {
    start_forward<T, kPack<T>>(stream, how, x, y, shape);
  } else {
    start_forward<T, 1>(stream, how, x, y, shape);
  }
}

template <class T>
void resize_backward(Stream& stream, math::Resize how, const T* dy, T* dx, const math::ResizeShape& shape) {
  if (shape.images == 0 || shape.channels == 0) return;
  if (packs<T>(shape.channels, dy, dx)) {
    start_backward<T, kPack<T>>(stream, how, dy, dx, shape);
  } else {
    start_backward<T, 1>(stream, how, dy, dx, shape);
  }
}

#define AZ_INSTANTIATE(T)                                                                 \
  template void resize<T>(Stream&, math::Resize, const T*, T*, const math::ResizeShape&); \
  template void resize_backward<T>(Stream&, math::Resize, const T*, T*, const math::ResizeShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
