// The convolution's plain twin: an output element a thread, double sums, gathers only.
//
//   y[n, oy, ox, k]  = relu(sum of x[n, oy s - p + i d, ox s - p + j d, c] w[k, i, j, c] + bias[k] + residual)
//   dx[n, y, x, c]   = sum of dy[n, oy, ox, k] w[k, i, j, c] over the outputs that the tap (i, j) of x feeds
//   dw[k, i, j, c]   = sum of dy[n, oy, ox, k] x[n, oy s - p + i d, ox s - p + j d, c]
//
// x [n, h, w, c], w [k, r, s, c / g], y [n, oh, ow, k]; s stride, p padding, d dilation, g groups.
// Mapping: thread t of the grid computes elements t, t + threads, ...; neighbours differ in the channel, so that dy, w
// (dx) or x (dw) are read in line. 2 flops a tap, in double; every operand comes through the caches each time.
// Deterministic: a fixed order in each thread. Not meant to be fast: gradient checks, tests of the library's results,
// shapes that the library does not take. Not measured: no GPU yet.
#include "cuda/conv.h"
#include "cuda/kernel.cuh"

namespace az::cuda {
namespace {

template <class T>
__device__ double wide(T v) {
  return static_cast<double>(static_cast<Wide<T>>(v));
}

/// An element's place in [n, h, w, c].
struct Place {
  int64_t n, y, x, c;
};
__device__ Place place(int64_t i, int64_t h, int64_t w, int64_t c) {
  return {i / c / w / h, i / c / w % h, i / c % w, i % c};
}

template <class T>
__global__ void __launch_bounds__(256)
    conv_forward_plain_kernel(ConvShape d, const T* x, const T* w, ConvAfter<T> after, T* y) {
  const int64_t in = d.c / d.groups, oh = d.oh(), ow = d.ow(), count = d.y_count();
  for (int64_t at = thread_index(); at < count; at += thread_count()) {
    const Place o = place(at, oh, ow, d.k);
    const T* image = x + o.n * d.h * d.w * d.c + o.c / (d.k / d.groups) * in;
    double sum = 0;
    for (int64_t i = 0; i < d.r; ++i)
      for (int64_t j = 0; j < d.s; ++j) {
        const int64_t iy = o.y * d.stride - d.padding + i * d.dilation;
        const int64_t ix = o.x * d.stride - d.padding + j * d.dilation;
        if (iy < 0 || iy >= d.h || ix < 0 || ix >= d.w) continue;
        const T* from = image + (iy * d.w + ix) * d.c;
        const T* weight = w + ((o.c * d.r + i) * d.s + j) * in;
        for (int64_t c = 0; c < in; ++c) sum += wide(from[c]) * wide(weight[c]);
      }
    if (after.bias) sum += static_cast<double>(after.bias[o.c]);
    if (after.residual) sum += wide(after.residual[at]);
    y[at] = static_cast<T>(static_cast<Wide<T>>(after.relu && sum < 0 ? 0 : sum));
  }
}

template <class T>
__global__ void __launch_bounds__(256) conv_backward_data_plain_kernel(ConvShape d, const T* dy, const T* w, T* dx) {
  const int64_t in = d.c / d.groups, out = d.k / d.groups, oh = d.oh(), ow = d.ow(), count = d.x_count();
  for (int64_t at = thread_index(); at < count; at += thread_count()) {
    const Place p = place(at, d.h, d.w, d.c);
    const int64_t first = p.c / in * out;
    double sum = 0;
    for (int64_t i = 0; i < d.r; ++i)
      for (int64_t j = 0; j < d.s; ++j) {
        const int64_t sy = p.y + d.padding - i * d.dilation;
        const int64_t sx = p.x + d.padding - j * d.dilation;
        if (sy < 0 || sx < 0 || sy % d.stride != 0 || sx % d.stride != 0) continue;
        if (sy / d.stride >= oh || sx / d.stride >= ow) continue;
        const T* from = dy + ((p.n * oh + sy / d.stride) * ow + sx / d.stride) * d.k;
        for (int64_t k = first; k < first + out; ++k)
          sum += wide(from[k]) * wide(w[((k * d.r + i) * d.s + j) * in + p.c % in]);
      }
    dx[at] = static_cast<T>(static_cast<Wide<T>>(sum));
  }
}

template <class T>
__global__ void __launch_bounds__(256)
    conv_backward_weights_plain_kernel(ConvShape d, const T* x, const T* dy, Wide<T>* dw) {
  const int64_t in = d.c / d.groups, oh = d.oh(), ow = d.ow(), count = d.w_count();
  for (int64_t at = thread_index(); at < count; at += thread_count()) {
    const Place p = place(at, d.r, d.s, in);  // of w: output channel, tap, input channel of the group
    const int64_t channel = p.n / (d.k / d.groups) * in + p.c;
    double sum = 0;
    for (int64_t row = 0; row < d.n * oh; ++row) {
      const int64_t iy = row % oh * d.stride - d.padding + p.y * d.dilation;
      if (iy < 0 || iy >= d.h) continue;
      const T* image = x + (row / oh * d.h + iy) * d.w * d.c + channel;
      for (int64_t ox = 0; ox < ow; ++ox) {
        const int64_t ix = ox * d.stride - d.padding + p.x * d.dilation;
        if (ix >= 0 && ix < d.w) sum += wide(dy[(row * ow + ox) * d.k + p.n]) * wide(image[ix * d.c]);
      }
    }
    dw[at] = static_cast<Wide<T>>(sum);
  }
}

/// Enough blocks to fill a GPU; a thread takes what is left over in turns.
unsigned blocks(int64_t count) { return count == 0 ? 0 : blocks_for(count, 256, 4096); }

}  // namespace

template <class T>
void conv_forward_plain(Stream& stream, const ConvShape& shape, const T* x, const T* w, const ConvAfter<T>& after,
                        T* y) {
  launch(stream, "conv_forward_plain_kernel", blocks(shape.y_count()), 256, 0, conv_forward_plain_kernel<T>, shape, x,
         w, after, y);
}

template <class T>
void conv_backward_data_plain(Stream& stream, const ConvShape& shape, const T* dy, const T* w, T* dx) {
  launch(stream, "conv_backward_data_plain_kernel", blocks(shape.x_count()), 256, 0, conv_backward_data_plain_kernel<T>,
         shape, dy, w, dx);
}

template <class T>
void conv_backward_weights_plain(Stream& stream, const ConvShape& shape, const T* x, const T* dy, Wide<T>* dw) {
  launch(stream, "conv_backward_weights_plain_kernel", blocks(shape.w_count()), 256, 0,
         conv_backward_weights_plain_kernel<T>, shape, x, dy, dw);
}

#define AZ_INSTANTIATE(T)                                                                                   \
  template void conv_forward_plain(Stream&, const ConvShape&, const T*, const T*, const ConvAfter<T>&, T*); \
  template void conv_backward_data_plain(Stream&, const ConvShape&, const T*, const T*, T*);                \
  template void conv_backward_weights_plain(Stream&, const ConvShape&, const T*, const T*, Wide<T>*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
