// Windows cut out of NHWC maps at places in device memory (SiamMask's Refine takes them around the best position), and
// their gradient.
//
// Shapes    x [images, h, w, c], places [windows] (image, top, left) -> y [windows, wh, ww, c], zero outside the map
// Mapping   cuda/pixels.cuh: a thread owns 16 bytes of channels of one pixel of the map that is written.
// Forward   e bytes read and e written an output; no arithmetic. Limit: memory.
// Backward  a gather: a pixel of dx walks over all places (12 bytes each, the same for a whole block: a broadcast from
//           L1) and sums dy of the windows that hold it. e read for each of those, e written an input. Limit: memory,
//           or the walk where there are hundreds of windows.
// Same bits every time and as the CPU: a fixed order of terms, no atomics, sums in f32 (f64 for double).
//
// Ladder (not measured: no GPU yet)
//   v1  an element a thread
//   v2  16 bytes a thread, rows from the grid (this)
#include "cuda/window.h"

#include "cuda/pack.cuh"
#include "cuda/pixels.cuh"

namespace az::cuda {
namespace {

template <class T, int N>
__global__ void __launch_bounds__(kPixelThreads)
    windows_kernel(const T* __restrict__ x, math::WindowPlaces places, T* __restrict__ y, Pixels out,
                   int32_t images, int32_t h, int32_t w) {
  for_each_pack<N>(out, [&](int32_t window_row, int32_t column, int32_t channel) {
    const int32_t window = window_row / out.height;
    const math::WindowPlace place = places[window];
    const int64_t row = place.row(window_row - window * out.height, h), from = place.column(column, w);
    Pack<T, N> values = {};
    if (row >= 0 && from >= 0 && place.image >= 0 && place.image < images)
      values = load_pack<N>(x + ((int64_t{place.image} * h + row) * w + from) * out.channels + channel);
    store_pack(y + out.at(window_row, column, channel), values);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kPixelThreads)
    windows_backward_kernel(const T* __restrict__ dy, math::WindowPlaces places, T* __restrict__ dx,
                            Pixels in, int32_t windows, int32_t window_h, int32_t window_w) {
  using W = Wide<T>;
  for_each_pack<N>(in, [&](int32_t image_row, int32_t column, int32_t channel) {
    const int32_t image = image_row / in.height, row = image_row - image * in.height;
    W sum[N] = {};
    for (int32_t k = 0; k < windows; ++k) {
      const math::WindowPlace place = places[k];
      const int32_t i = row - place.top, j = column - place.left;
      if (place.image != image || i < 0 || i >= window_h || j < 0 || j >= window_w) continue;
      const Pack<T, N> g = load_pack<N>(dy + ((int64_t{k} * window_h + i) * window_w + j) * in.channels + channel);
      for (int n = 0; n < N; ++n) sum[n] += static_cast<W>(g.v[n]);
    }
    Pack<T, N> sums;
    for (int n = 0; n < N; ++n) sums.v[n] = static_cast<T>(sum[n]);
    store_pack(dx + in.at(image_row, column, channel), sums);
  });
}

template <class T, int N>
void start(Stream& stream, const T* x, const math::WindowPlaces& places, T* y, const math::WindowShape& s) {
  const Pixels out(s.windows, s.window_h, s.window_w, s.channels, N);
  launch(stream, "windows_kernel", out.grid(N), kPixelThreads, 0, windows_kernel<T, N>, x, places, y, out,
         static_cast<int32_t>(s.images), static_cast<int32_t>(s.h), static_cast<int32_t>(s.w));
}

template <class T, int N>
void start_backward(Stream& stream, const T* dy, const math::WindowPlaces& places, T* dx, const math::WindowShape& s) {
  const Pixels in(s.images, s.h, s.w, s.channels, N);
  launch(stream, "windows_backward_kernel", in.grid(N), kPixelThreads, 0, windows_backward_kernel<T, N>, dy, places, dx,
         in, static_cast<int32_t>(s.windows), static_cast<int32_t>(s.window_h), static_cast<int32_t>(s.window_w));
}

}  // namespace

template <class T>
void windows(Stream& stream, const T* x, const math::WindowPlaces& places, T* y, const math::WindowShape& s) {
  if (s.windows == 0 || s.channels == 0) return;
  if (packs<T>(s.channels, x, y)) {
    start<T, kPack<T>>(stream, x, places, y, s);
  } else {
    start<T, 1>(stream, x, places, y, s);
  }
}

template <class T>
void windows_backward(Stream& stream, const T* dy, const math::WindowPlaces& places, T* dx, const math::WindowShape& s) {
  if (s.images == 0 || s.channels == 0) return;
  if (packs<T>(s.channels, dy, dx)) {
    start_backward<T, kPack<T>>(stream, dy, places, dx, s);
  } else {
    start_backward<T, 1>(stream, dy, places, dx, s);
  }
}

#define AZ_INSTANTIATE(T)                                                                              \
  template void windows<T>(Stream&, const T*, const math::WindowPlaces&, T*, const math::WindowShape&); \
  template void windows_backward<T>(Stream&, const T*, const math::WindowPlaces&, T*, const math::WindowShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
