// Depthwise cross-correlation, forward and both gradients (formulas and sources: math/xcorr.h). The tracker's sizes:
// kernels of 4x4 to 7x7 over 29x29 or 31x31, 256 channels, NHWC.
//
// Mapping, for square kernels of K = 4..7: a lane is a channel, so that every access of a warp is one run of memory,
// and a thread holds a tile of 5 x 5 outputs and all K x K taps in registers. It walks down the tile's 5 + K - 1 input
// rows, loads the 5 + K - 1 pixels of each once, and adds them to every output that they reach:
//
//     in, K = 5   . . . . . . . . .   row p: 9 loads ...        a warp  32 channels of one tile
//                 . . . . . . . . .   ... 125 multiply-adds,    a block 32 channels of up to 6 tiles side by side,
//                 . . . . . . . . .   for outputs (p-i, c)              which share their edges through the L1 cache
//
//   search gradient: the same over dy with the kernel turned by 180 degrees and zeros around
//   kernel gradient: the same loop with the roles of output tile and taps exchanged. A block takes one row of tiles and
//     all its columns, adds its warps' K x K sums in shared memory in order, and xcorr_sum_kernel adds the row tiles
//     (and the images, for a shared kernel) in order.
//
// Other kernels, and f64, take the plain kernels: a thread an output, taps in the CPU's order, the same bits.
//
// Per output, K = 5: 25 multiply-adds; loads of 4.2 elements from L1 (81 + 25 for 25 outputs) where v1 has 50. At batch
// 16 and f32 the bytes (x, y and 1.8 times x from L2) take longer than the arithmetic; in 16 bits and at K = 7 both are
// alike, which is why products and sums are fused there. All deterministic: fixed tiles, fixed order, no atomics.
// Ladder (not measured: no GPU yet):
//   v1  a thread an output, taps and pixels from L1: 2 loads a multiply-add (the plain kernels)
//   v2  a thread 5 outputs of a row, the taps of one kernel row in registers: 14 loads of 16 bytes for 25 x 4
//   v3  this
#include "cuda/xcorr.h"

#include "cuda/kernel.cuh"

namespace az::cuda {
namespace {

constexpr int kTile = 5;        // outputs a thread, in rows and in columns
constexpr int kMostStrips = 6;  // tiles side by side in a block
constexpr int kPlainThreads = 256;
/// Blocks a multiprocessor that xcorr_tile_gradient_kernel must leave registers for; 0: as the compiler likes. For
/// small kernels it likes two; for large ones it likes one, and a handful of spilled registers is less than half of the
/// warps.
template <int K>
constexpr int kResident = K <= 5 ? 0 : 2;

/// What is correlated with what: `in` [images, h_in, w_in, channels] -> `out` [images, h_out, w_out, channels].
struct Plane {
  int64_t images;
  int h_in, w_in, h_out, w_out, channels;
  bool shared;

  __device__ int64_t in_count() const { return int64_t{h_in} * w_in * channels; }
  __device__ int64_t out_count() const { return int64_t{h_out} * w_out * channels; }
};

Plane forward_plane(const math::XcorrShape& s) {
  return {s.images,
          static_cast<int>(s.h),
          static_cast<int>(s.w),
          static_cast<int>(s.h_out()),
          static_cast<int>(s.w_out()),
          static_cast<int>(s.channels),
          s.shared};
}

Plane backward_plane(const math::XcorrShape& s) {
  Plane plane = forward_plane(s);
  plane.h_in = plane.h_out;
  plane.w_in = plane.w_out;
  plane.h_out = static_cast<int>(s.h);
  plane.w_out = static_cast<int>(s.w);
  return plane;
}

int64_t tiles_over(int64_t count) { return (count + kTile - 1) / kTile; }

template <class T>
__device__ Wide<T> wide(T v) {
  return static_cast<Wide<T>>(v);
}

/// kCount columns of a plane from `first`: where their pixels are in a row, and which of them exist. The place of one
/// that does not is that of the nearest that does, so that loads need no branch.
template <int kCount>
struct Columns {
  int offset[kCount];
  bool inside[kCount];

  __device__ Columns(int first, int width, int channels) {
#pragma unroll
    for (int q = 0; q < kCount; ++q) {
      const int at = first + q;
      inside[q] = at >= 0 && at < width;
      offset[q] = (at < 0 ? 0 : at < width ? at : width - 1) * channels;
    }
  }
};

/// The pixels of one channel in row y; with kZero, 0 where there is none, else any other pixel's value.
/// in: the image's, at the channel
template <bool kZero, int kCount, class T>
__device__ void load_row(const T* __restrict__ in, const Plane& plane, int y, const Columns<kCount>& columns,
                         Wide<T> (&x)[kCount]) {
  const bool inside = y >= 0 && y < plane.h_in;
  const T* row = in + int64_t{y < 0 ? 0 : inside ? y : plane.h_in - 1} * plane.w_in * plane.channels;
#pragma unroll
  for (int q = 0; q < kCount; ++q) {
    x[q] = wide(row[columns.offset[q]]);
    if (kZero) x[q] = inside && columns.inside[q] ? x[q] : Wide<T>(0);
  }
}

/// Grid: images x row tiles x groups of strips x groups of 32 channels, the last fastest; block [32 channels, strips].
/// kFull: `in` is dy, the kernel is turned, and tiles begin K - 1 above and left of their inputs.
template <int K, bool kFull, class T>
__global__ void __launch_bounds__(kWarp* kMostStrips)
    xcorr_tile_kernel(const T* __restrict__ in, const T* __restrict__ kernel, T* __restrict__ out, Plane plane) {
  const unsigned channel_groups = static_cast<unsigned>((plane.channels + kWarp - 1) / kWarp);
  const unsigned strip_groups =
      (static_cast<unsigned>((plane.w_out + kTile - 1) / kTile) + blockDim.y - 1) / blockDim.y;
  const unsigned row_tiles = static_cast<unsigned>((plane.h_out + kTile - 1) / kTile);
  unsigned block = blockIdx.x;
  const int channel = static_cast<int>(block % channel_groups * kWarp + threadIdx.x);
  block /= channel_groups;
  const int column = static_cast<int>((block % strip_groups * blockDim.y + threadIdx.y) * kTile);
  block /= strip_groups;
  const int row = static_cast<int>(block % row_tiles * kTile);
  const int64_t image = block / row_tiles;
  if (channel >= plane.channels || column >= plane.w_out) return;

  Wide<T> tap[K][K], sum[kTile][kTile] = {};
  kernel += (plane.shared ? 0 : image * K * K * plane.channels) + channel;
#pragma unroll
  for (int i = 0; i < K; ++i)
#pragma unroll
    for (int j = 0; j < K; ++j)
      tap[i][j] = wide(kernel[(kFull ? K * K - 1 - (i * K + j) : i * K + j) * plane.channels]);

  in += image * plane.in_count() + channel;
  const int margin = kFull ? K - 1 : 0;
  const Columns<kTile + K - 1> columns(column - margin, plane.w_in, plane.channels);
#pragma unroll
  for (int p = 0; p < kTile + K - 1; ++p) {
    Wide<T> x[kTile + K - 1];
    load_row<kFull>(in, plane, row + p - margin, columns, x);
#pragma unroll
    for (int r = 0; r < kTile; ++r) {
      if (p - r < 0 || p - r >= K) continue;
#pragma unroll
      for (int j = 0; j < K; ++j)
#pragma unroll
        for (int c = 0; c < kTile; ++c) sum[r][c] = std::fma(tap[p - r][j], x[c + j], sum[r][c]);
    }
  }

  out += image * plane.out_count() + channel;
#pragma unroll
  for (int r = 0; r < kTile; ++r)
#pragma unroll
    for (int c = 0; c < kTile; ++c)
      if (row + r < plane.h_out && column + c < plane.w_out)
        out[((row + r) * plane.w_out + column + c) * plane.channels] = static_cast<T>(sum[r][c]);
}

/// Grid: images x row tiles x groups of 32 channels, the last fastest; block [32 channels, strips], which go over all
/// columns; dynamic shared memory [strips, K * K, 32].   parts [images, row tiles, K * K, channels]
template <int K, class T>
__global__ void __launch_bounds__(kWarp* kMostStrips, kResident<K>)
    xcorr_tile_gradient_kernel(const T* __restrict__ search, const T* __restrict__ dy, Wide<T>* __restrict__ parts,
                               Plane plane) {
  const unsigned channel_groups = static_cast<unsigned>((plane.channels + kWarp - 1) / kWarp);
  const unsigned row_tiles = static_cast<unsigned>((plane.h_out + kTile - 1) / kTile);
  const int first_channel = static_cast<int>(blockIdx.x % channel_groups * kWarp);
  const unsigned tile_row = blockIdx.x / channel_groups;  // over all images
  const int row = static_cast<int>(tile_row % row_tiles * kTile);
  const int64_t image = tile_row / row_tiles;
  const int lane = static_cast<int>(threadIdx.x), channel = first_channel + lane;

  Wide<T> sum[K][K] = {};
  search += image * plane.in_count() + channel;
  dy += image * plane.out_count() + channel;
  const int last_column = channel < plane.channels ? plane.w_out : 0;
  const Plane outputs{plane.images, plane.h_out, plane.w_out, plane.h_out, plane.w_out, plane.channels, plane.shared};
  for (int column = static_cast<int>(threadIdx.y) * kTile; column < last_column;
       column += static_cast<int>(blockDim.y) * kTile) {
    Wide<T> g[kTile][kTile];  // 0 where there is no output, so that its pixels do not count
    const Columns<kTile> of_g(column, plane.w_out, plane.channels);
#pragma unroll
    for (int r = 0; r < kTile; ++r) load_row<true>(dy, outputs, row + r, of_g, g[r]);
    const Columns<kTile + K - 1> of_x(column, plane.w_in, plane.channels);
#pragma unroll
    for (int p = 0; p < kTile + K - 1; ++p) {
      Wide<T> x[kTile + K - 1];
      load_row<false>(search, plane, row + p, of_x, x);
#pragma unroll
      for (int r = 0; r < kTile; ++r) {
        if (p - r < 0 || p - r >= K) continue;
#pragma unroll
        for (int c = 0; c < kTile; ++c)
#pragma unroll
          for (int j = 0; j < K; ++j) sum[p - r][j] = std::fma(g[r][c], x[c + j], sum[p - r][j]);
      }
    }
  }

  auto* of_strips = dynamic_shared<Wide<T>>();
#pragma unroll
  for (int i = 0; i < K; ++i)
#pragma unroll
    for (int j = 0; j < K; ++j)
      of_strips[(static_cast<int>(threadIdx.y) * K * K + i * K + j) * kWarp + lane] = sum[i][j];
  __syncthreads();
  if (channel >= plane.channels) return;
  for (int t = static_cast<int>(threadIdx.y); t < K * K; t += static_cast<int>(blockDim.y)) {
    Wide<T> total = 0;
    for (int strip = 0; strip < static_cast<int>(blockDim.y); ++strip)
      total += of_strips[(strip * K * K + t) * kWarp + lane];
    parts[(int64_t{tile_row} * K * K + t) * plane.channels + channel] = total;
  }
}

/// dkernel [groups, count] = sum of parts [groups, summands, count] over the summands, in order. A thread an element.
template <class T>
__global__ void __launch_bounds__(kPlainThreads)
    xcorr_sum_kernel(const Wide<T>* __restrict__ parts, int64_t groups, int64_t summands, int64_t count,
                     T* __restrict__ dkernel) {
  const int64_t at = thread_index();
  if (at >= groups * count) return;
  const Wide<T>* from = parts + at / count * summands * count + at % count;
  Wide<T> sum = 0;
#pragma unroll 4
  for (int64_t s = 0; s < summands; ++s) sum += from[s * count];
  dkernel[at] = static_cast<T>(sum);
}

/// A thread an output. Tap (i, j) is at `in` row + i, column + j, or, with kFull, at row - i, column - j.
template <bool kFull, class T>
__global__ void __launch_bounds__(kPlainThreads)
    xcorr_plain_kernel(const T* __restrict__ in, const T* __restrict__ kernel, T* __restrict__ out, Plane plane, int kh,
                       int kw) {
  const int64_t at = thread_index();
  if (at >= plane.images * plane.out_count()) return;
  const int64_t image = at / plane.out_count();
  const int place = static_cast<int>(at - image * plane.out_count());
  const int channel = place % plane.channels, pixel = place / plane.channels;
  const int row = pixel / plane.w_out, column = pixel % plane.w_out;
  in += image * plane.in_count() + channel;
  kernel += (plane.shared ? 0 : image * kh * kw * plane.channels) + channel;
  Wide<T> sum = 0;
  for (int i = 0; i < kh; ++i)
    for (int j = 0; j < kw; ++j) {
      const int y = kFull ? row - i : row + i, x = kFull ? column - j : column + j;
      if (y < 0 || y >= plane.h_in || x < 0 || x >= plane.w_in) continue;
      sum += wide(in[(y * plane.w_in + x) * plane.channels]) * wide(kernel[(i * kw + j) * plane.channels]);
    }
  out[at] = static_cast<T>(sum);
}

/// A thread an element of an image's kernel gradient; the sum of each row of outputs apart.
/// parts [images, kh, kw, channels]
template <class T>
__global__ void __launch_bounds__(kPlainThreads)
    xcorr_plain_gradient_kernel(const T* __restrict__ search, const T* __restrict__ dy, Wide<T>* __restrict__ parts,
                                Plane plane, int kh, int kw) {
  const int64_t at = thread_index(), count = int64_t{kh} * kw * plane.channels;
  if (at >= plane.images * count) return;
  const int64_t image = at / count;
  const int place = static_cast<int>(at - image * count);
  const int channel = place % plane.channels, tap = place / plane.channels;
  search += image * plane.in_count() + channel;
  dy += image * plane.out_count() + channel;
  Wide<T> total = 0;
  for (int y = 0; y < plane.h_out; ++y) {
    Wide<T> sum = 0;
    for (int x = 0; x < plane.w_out; ++x)
      sum += wide(search[((y + tap / kw) * plane.w_in + x + tap % kw) * plane.channels]) *
             wide(dy[(y * plane.w_out + x) * plane.channels]);
    total += sum;
  }
  parts[at] = total;
}

/// Calls tiled(K) for a square kernel of K = 4..7 and f32, bf16 or f16, else plain().
template <class T, class Tiled, class Plain>
void with_size(const math::XcorrShape& s, const Tiled& tiled, const Plain& plain) {
  if constexpr (sizeof(T) <= 4) {
    switch (s.kh == s.kw ? s.kh : 0) {
      case 4: return tiled(std::integral_constant<int, 4>());
      case 5: return tiled(std::integral_constant<int, 5>());
      case 6: return tiled(std::integral_constant<int, 6>());
      case 7: return tiled(std::integral_constant<int, 7>());
      default: break;
    }
  }
  plain();
}

dim3 tile_block(int64_t strips) {
  return {static_cast<unsigned>(kWarp), static_cast<unsigned>(strips < kMostStrips ? strips : kMostStrips), 1};
}

/// The forward pass, or with kFull the search gradient.
template <bool kFull, class T>
void correlate(Stream& stream, const T* in, const T* kernel, T* out, const Plane& plane, const math::XcorrShape& s) {
  with_size<T>(
      s,
      [&]<int K>(std::integral_constant<int, K>) {
        const int64_t strips = tiles_over(plane.w_out);
        const dim3 block = tile_block(strips);
        const int64_t blocks = plane.images * tiles_over(plane.h_out) * ((strips + block.y - 1) / block.y) *
                               ((plane.channels + kWarp - 1) / kWarp);
        launch(stream, "xcorr_tile_kernel", static_cast<unsigned>(blocks), block, 0, xcorr_tile_kernel<K, kFull, T>, in,
               kernel, out, plane);
      },
      [&] {
        launch(stream, "xcorr_plain_kernel",
               blocks_for(plane.images * plane.h_out * plane.w_out * plane.channels, kPlainThreads, INT32_MAX),
               kPlainThreads, 0, xcorr_plain_kernel<kFull, T>, in, kernel, out, plane, static_cast<int>(s.kh),
               static_cast<int>(s.kw));
      });
}

}  // namespace

template <class T>
void xcorr(Stream& stream, const T* search, const T* kernel, T* y, const math::XcorrShape& s) {
  correlate<false>(stream, search, kernel, y, forward_plane(s), s);
}

template <class T>
void xcorr_backward_search(Stream& stream, const T* dy, const T* kernel, T* dsearch, const math::XcorrShape& s) {
  correlate<true>(stream, dy, kernel, dsearch, backward_plane(s), s);
}

int64_t xcorr_parts(const math::XcorrShape& s) { return s.images * tiles_over(s.h_out()) * s.kernel_count(); }

template <class T>
void xcorr_backward_kernel(Stream& stream, const T* search, const T* dy, Wide<T>* parts, T* dkernel,
                           const math::XcorrShape& s) {
  const Plane plane = forward_plane(s);
  int64_t parts_an_image = 1;
  with_size<T>(
      s,
      [&]<int K>(std::integral_constant<int, K>) {
        parts_an_image = tiles_over(s.h_out());
        const dim3 block = tile_block(tiles_over(s.w_out()));
        const int64_t blocks = s.images * parts_an_image * ((s.channels + kWarp - 1) / kWarp);
        const int shared_bytes = static_cast<int>(block.y) * K * K * kWarp * static_cast<int>(sizeof(Wide<T>));
        launch(stream, "xcorr_tile_gradient_kernel", static_cast<unsigned>(blocks), block, shared_bytes,
               xcorr_tile_gradient_kernel<K, T>, search, dy, parts, plane);
      },
      [&] {
        launch(stream, "xcorr_plain_gradient_kernel", blocks_for(s.images * s.kernel_count(), kPlainThreads, INT32_MAX),
               kPlainThreads, 0, xcorr_plain_gradient_kernel<T>, search, dy, parts, plane, static_cast<int>(s.kh),
               static_cast<int>(s.kw));
      });
  const int64_t summands = s.shared ? s.images * parts_an_image : parts_an_image;
  launch(stream, "xcorr_sum_kernel", blocks_for(s.kernels() * s.kernel_count(), kPlainThreads, INT32_MAX),
         kPlainThreads, 0, xcorr_sum_kernel<T>, parts, s.kernels(), summands, s.kernel_count(), dkernel);
}

#define AZ_INSTANTIATE(T)                                                                           \
  template void xcorr<T>(Stream&, const T*, const T*, T*, const math::XcorrShape&);                 \
  template void xcorr_backward_search<T>(Stream&, const T*, const T*, T*, const math::XcorrShape&); \
  template void xcorr_backward_kernel<T>(Stream&, const T*, const T*, Wide<T>*, T*, const math::XcorrShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
