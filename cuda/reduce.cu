// Reductions in two stages: blocks sum fixed parts of the input, then one more launch adds the parts.
//
//   kernel      computes                              bytes an element of s bytes   flops
//   sum         parts[b] = block b's sum of x         s                             1 (double)
//   dot         parts[b] = block b's sum of a b       2 s                           2 (double)
//   sum_parts   y = sum of the parts                  8                             1 (double)
//   sum_rows    y[c] = sum over rows of x[r][c]       s                             1 (double)
//
// Mapping: sum and dot as cuda/map.cuh, at most 528 blocks, then a butterfly in each warp and one over the warps.
// sum_rows: a block takes `lanes` packs of columns and a band of rows; its thread t the pack t % lanes of rows
// t / lanes, t / lanes + 256 / lanes, ...:
//
//     columns   |0 1 2 3|4 5 6 7| ...   lanes = 2, packs of 4
//     row 0       t0      t1            The rows of a warp meet by shuffles, the warps in shared memory; bands are
//     row 1       t2      t3            added by a second launch of the same kernel over the parts [bands, columns].
//     row 2       t4      t5
//
// Limit: memory; the conversions to double take a quarter (f32) or half (16 bits) of that time on an H100.
// Deterministic: grid and order depend on shapes and alignment only; no atomics.
// Ladder at [243200, 256] bf16, share of the copy bandwidth (not measured: no GPU yet):
//   v1  a thread a column, all rows
//   v2  bands of rows, one column a thread
//   v3  this: 16-byte packs, four rows on their way
#include "cuda/reduce.h"

#include "cuda/map.cuh"

namespace az::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kMapThreads) sum_kernel(const T* x, double* parts, int64_t count) {
  const double sum = block_sum(sum_map(
      count, [](T v) { return v; }, x));
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

template <class T>
__global__ void __launch_bounds__(kMapThreads) dot_kernel(const T* a, const T* b, double* parts, int64_t count) {
  const auto product = [](T v, T w) { return static_cast<double>(v) * static_cast<double>(w); };
  const double sum = block_sum(sum_map(count, product, a, b));
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

/// One block.
template <class T>
__global__ void __launch_bounds__(kMapThreads) sum_parts_kernel(const double* parts, int64_t count, T* y) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *y = static_cast<T>(sum);
}

constexpr int kRowThreads = 256;
constexpr int kRowWarps = kRowThreads / kWarp;
constexpr int kRowsOnTheirWay = 4;

/// Sums `band` rows from blockIdx.y * band on into y[blockIdx.y]. `lanes` is a power of two up to 32, N divides
/// columns.
template <class In, class Out, int N>
__global__ void __launch_bounds__(kRowThreads)
    sum_rows_kernel(const In* x, Out* y, int64_t rows, int64_t columns, int64_t band, int lanes) {
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const int64_t packs = columns / N;
  const int64_t pack = int64_t{blockIdx.x} * lanes + lane;
  const int64_t first = int64_t{blockIdx.y} * band;
  const int64_t end = smaller(first + band, rows);
  const int step = kRowThreads / lanes;
  const auto* in = reinterpret_cast<const Pack<In, N>*>(x) + smaller(pack, packs - 1);
  double sum[N] = {};
  for (int64_t r = first + static_cast<int>(threadIdx.x) / lanes; r < end; r += int64_t{step} * kRowsOnTheirWay) {
    Pack<In, N> row[kRowsOnTheirWay];
#pragma unroll
    for (int i = 0; i < kRowsOnTheirWay; ++i) row[i] = in[smaller(r + int64_t{i} * step, end - 1) * packs];
#pragma unroll
    for (int i = 0; i < kRowsOnTheirWay; ++i)
#pragma unroll
      for (int k = 0; k < N; ++k) sum[k] += r + int64_t{i} * step < end ? static_cast<double>(widened(row[i].v[k])) : 0;
  }
  for (int offset = kWarp / 2; offset >= lanes; offset /= 2)
#pragma unroll
    for (int k = 0; k < N; ++k) sum[k] += __shfl_xor_sync(kWholeWarp, sum[k], offset);

  AZ_SHARED(of_warp, double[kRowWarps][kWarp * N]);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  if (static_cast<int>(threadIdx.x) % kWarp < lanes)
    for (int k = 0; k < N; ++k) of_warp[warp][lane * N + k] = sum[k];
  __syncthreads();
  const int64_t column = int64_t{blockIdx.x} * lanes * N + threadIdx.x;
  if (static_cast<int>(threadIdx.x) < lanes * N && column < columns) {
    double total = 0;
    for (int w = 0; w < kRowWarps; ++w) total += of_warp[w][threadIdx.x];
    y[int64_t{blockIdx.y} * columns + column] = static_cast<Out>(total);
  }
}

/// How sum_rows cuts a matrix up.
struct RowGrid {
  int lanes;
  int64_t tiles, bands, band;
};

RowGrid row_grid(int64_t rows, int64_t packs, int most_lanes, int64_t most_bands) {
  RowGrid g{1, 0, 1, 0};
  while (g.lanes < most_lanes && g.lanes < packs) g.lanes *= 2;
  g.tiles = (packs + g.lanes - 1) / g.lanes;
  const int64_t pass = int64_t{kRowThreads / g.lanes} * kRowsOnTheirWay;
  const int64_t wanted = smaller(larger(1056 / larger(g.tiles, 1), 1), most_bands);  // eight blocks a multiprocessor
  g.band = larger((rows + wanted * pass - 1) / (wanted * pass), 1) * pass;
  g.bands = larger((rows + g.band - 1) / g.band, 1);
  return g;
}

template <class In, class Out, int N>
void launch_rows(Stream& stream, const RowGrid& g, const In* x, Out* y, int64_t rows, int64_t columns) {
  const dim3 grid(static_cast<unsigned>(g.tiles), static_cast<unsigned>(g.bands));
  launch(stream, "sum_rows_kernel", grid, kRowThreads, 0, sum_rows_kernel<In, Out, N>, x, y, rows, columns, g.band,
         g.lanes);
}

/// Packs of N columns where N divides them and x is aligned, single columns otherwise.
template <class In, class Out>
void sum_rows_stage(Stream& stream, const RowGrid& g, int pack, const In* x, Out* y, int64_t rows, int64_t columns) {
  constexpr int kPack = 16 / sizeof(In);
  if (pack == kPack) {
    launch_rows<In, Out, kPack>(stream, g, x, y, rows, columns);
  } else {
    launch_rows<In, Out, 1>(stream, g, x, y, rows, columns);
  }
}

template <class T>
int row_pack(const void* x, int64_t columns) {
  constexpr int kPack = 16 / sizeof(T);
  return columns % kPack == 0 && reinterpret_cast<uintptr_t>(x) % 16 == 0 ? kPack : 1;
}

constexpr int64_t kMostBands = 512;

}  // namespace

template <class T>
void sum(Stream& stream, const T* x, T* y, double* parts, int64_t count) {
  const unsigned blocks = map_blocks<T>(count, kSumParts);
  launch(stream, "sum_kernel", blocks, kMapThreads, 0, sum_kernel<T>, x, parts, count);
  sum_parts(stream, parts, blocks, y);
}

template <class T>
void dot(Stream& stream, const T* a, const T* b, T* y, double* parts, int64_t count) {
  const unsigned blocks = map_blocks<T>(count, kSumParts);
  launch(stream, "dot_kernel", blocks, kMapThreads, 0, dot_kernel<T>, a, b, parts, count);
  sum_parts(stream, parts, blocks, y);
}

template <class T>
void sum_parts(Stream& stream, const double* parts, int64_t count, T* y) {
  launch(stream, "sum_parts_kernel", 1, kMapThreads, 0, sum_parts_kernel<T>, parts, count, y);
}

template <class T>
int64_t sum_rows_parts(int64_t rows, int64_t columns) {
  // Whatever the alignment: wider packs mean more tiles of fewer lanes, hence at most kMostBands bands either way.
  const int64_t fewest_pass = kRowThreads / kWarp * kRowsOnTheirWay;
  return smaller(rows / fewest_pass + 1, kMostBands) * columns;
}

template <class T>
void sum_rows(Stream& stream, const T* x, Wide<T>* y, double* parts, int64_t rows, int64_t columns) {
  const int pack = row_pack<T>(x, columns);
  const RowGrid bands = row_grid(rows, columns / pack, kWarp, kMostBands);
  if (bands.bands == 1) {
    sum_rows_stage(stream, bands, pack, x, y, rows, columns);
    return;
  }
  sum_rows_stage(stream, bands, pack, x, parts, rows, columns);
  const int part_pack = row_pack<double>(parts, columns);
  const RowGrid last = row_grid(bands.bands, columns / part_pack, 4, 1);
  sum_rows_stage(stream, last, part_pack, parts, y, bands.bands, columns);
}

template int64_t sum_rows_parts<bf16>(int64_t, int64_t);
template int64_t sum_rows_parts<f16>(int64_t, int64_t);
template void sum_rows(Stream&, const bf16*, float*, double*, int64_t, int64_t);
template void sum_rows(Stream&, const f16*, float*, double*, int64_t, int64_t);

#define AZ_INSTANTIATE(T)                                               \
  template void sum(Stream&, const T*, T*, double*, int64_t);           \
  template void dot(Stream&, const T*, const T*, T*, double*, int64_t); \
  template void sum_parts(Stream&, const double*, int64_t, T*);         \
  template int64_t sum_rows_parts<T>(int64_t, int64_t);                 \
  template void sum_rows(Stream&, const T*, T*, double*, int64_t, int64_t);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
