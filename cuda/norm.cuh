// The mapping that the norm kernels share. Included by cuda/norm*.cu.
//
//   block    a run of rows of one image x a tile of at most 256 packs of channels (a pack: 16 bytes, or one element)
//   thread   (row lane, pack): always the same channels, every row_lanes-th row of the run
//
//            packs of the tile ->           c = 256 in f32: 64 packs, 4 row lanes; in 16 bits: 32 packs, 8 row lanes
//   row 0    t0  t1  t2 ... t63             A warp reads 512 consecutive bytes.
//   row 1    t64 ...        t127
//   ...
#pragma once

#include "cuda/divider.cuh"
#include "cuda/kernel.cuh"
#include "cuda/norm.h"
#include "cuda/pack.cuh"

namespace az::cuda {

inline constexpr int kNormThreads = 256;
inline constexpr int kNormBlocks = 1024;  ///< enough for 132 multiprocessors, few enough to add their sums quickly

/// Blocks over the rows of one image for sums: a function of the shape alone, so that sums have one order.
inline int64_t rows_per_sum(const math::NormShape& s) {
  const int64_t blocks = kNormBlocks / (s.images < kNormBlocks ? s.images < 1 ? 1 : s.images : kNormBlocks);
  const int64_t least = 4096 / s.channels < 16 ? 16 : 4096 / s.channels;  // a block should read some 16 KiB
  const int64_t rows = (s.rows + blocks - 1) / blocks;
  return rows < least ? least : rows;
}

struct Tiling {
  int32_t channels, rows, rows_per_block;
  int32_t lanes, row_lanes;  ///< of a tile
  Divider by_blocks;         ///< blocks over the rows of one image
  int32_t images, tiles, row_blocks;

  Tiling(const math::NormShape& s, int pack, int64_t rows_of_block)
      : channels(static_cast<int32_t>(s.channels)),
        rows(static_cast<int32_t>(s.rows)),
        rows_per_block(static_cast<int32_t>(rows_of_block)),
        by_blocks(1),
        images(static_cast<int32_t>(s.images)) {
    const int32_t packs = channels / pack;
    tiles = (packs + kNormThreads - 1) / kNormThreads;
    lanes = (packs + tiles - 1) / tiles;
    row_lanes = kNormThreads / lanes;
    row_blocks = (rows + rows_per_block - 1) / rows_per_block;
    if (row_blocks > 0) by_blocks = Divider(row_blocks);
  }
  dim3 grid() const { return {static_cast<unsigned>(row_blocks * images), static_cast<unsigned>(tiles), 1}; }
  dim3 block() const { return {static_cast<unsigned>(lanes * row_lanes), 1, 1}; }
};

/// A tiling for kernels that write a map: up to eight rows a thread, fewer where there are few rows.
inline Tiling map_tiling(const math::NormShape& s, int pack) {
  const Tiling one(s, pack, 1);
  const int64_t share = s.images * s.rows / kNormBlocks / one.row_lanes + 1;
  return Tiling(s, pack, one.row_lanes * (share < 8 ? share : 8));
}

/// Where a thread works: rows [first, end) of an image, a step of row_lanes apart, from one channel on.
struct Span {
  int32_t image, block, first, end, channel;
  bool active;  ///< the last tile may be narrower than the others

  __device__ Span(const Tiling& t, int pack) {
    const auto thread = static_cast<int32_t>(threadIdx.x), b = static_cast<int32_t>(blockIdx.x);
    const int32_t row_lane = thread / t.lanes;
    image = b / t.by_blocks;
    block = b - image * t.by_blocks;
    first = block * t.rows_per_block + row_lane;
    end = min((block + 1) * t.rows_per_block, t.rows);
    channel = (static_cast<int32_t>(blockIdx.y) * t.lanes + thread - row_lane * t.lanes) * pack;
    active = channel < t.channels;
  }
  /// Index of this thread's first element of a row, and of its first channel in a table [images, channels].
  __device__ int64_t at(const Tiling& t, int32_t row) const {
    return (int64_t{image} * t.rows + row) * t.channels + channel;
  }
  __device__ int64_t table(const Tiling& t) const { return int64_t{image} * t.channels + channel; }
};

/// Calls use(row index, load(row index)) for each of the thread's rows in order. The loads of `Ahead` rows are issued
/// together, so that enough bytes are on their way.
template <int Ahead, class Load, class Use>
__device__ inline void for_each_row(const Tiling& t, const Span& span, const Load& load, const Use& use) {
  const int64_t step = int64_t{t.row_lanes} * t.channels;
  int64_t at = span.at(t, span.first);
  int32_t row = span.first;
  for (; row + (Ahead - 1) * t.row_lanes < span.end; row += Ahead * t.row_lanes, at += Ahead * step) {
    decltype(load(at)) loaded[Ahead];
#pragma unroll
    for (int u = 0; u < Ahead; ++u) loaded[u] = load(at + u * step);
#pragma unroll
    for (int u = 0; u < Ahead; ++u) use(at + u * step, loaded[u]);
  }
  for (; row < span.end; row += t.row_lanes, at += step) use(at, load(at));
}

/// This thread's part of a table [images, channels].
template <int N, class P>
__device__ inline void load_channels(const P* table, int64_t at, P (&values)[N]) {
  for (int k = 0; k < N; ++k) values[k] = table[at + k];
}

/// Adds two sums a channel over the block's row lanes, in order, and writes them to
/// parts [2, images, channels, row blocks]. Every thread of the block calls it; dynamic shared memory holds 2 * N
/// doubles a thread.
template <int N>
__device__ inline void write_sums(const Tiling& t, const Span& span, const double (&a)[N], const double (&b)[N],
                                  double* parts) {
  auto* shared = dynamic_shared<double>();  // [2 * N][threads]: neighbours in neighbouring banks
  const auto threads = static_cast<int32_t>(blockDim.x), thread = static_cast<int32_t>(threadIdx.x);
  for (int k = 0; k < N; ++k) {
    shared[k * threads + thread] = a[k];
    shared[(N + k) * threads + thread] = b[k];
  }
  __syncthreads();
  for (int32_t item = thread; item < 2 * N * t.lanes; item += threads) {
    const int32_t k = item / t.lanes, lane = item - k * t.lanes;
    const int32_t channel = (static_cast<int32_t>(blockIdx.y) * t.lanes + lane) * N + k % N;
    if (channel >= t.channels) continue;
    double sum = 0;
    for (int32_t r = 0; r < t.row_lanes; ++r) sum += shared[k * threads + r * t.lanes + lane];
    const int64_t image = int64_t{k / N} * t.images + span.image;
    parts[(image * t.channels + channel) * t.row_blocks + span.block] = sum;
  }
}

}  // namespace az::cuda
