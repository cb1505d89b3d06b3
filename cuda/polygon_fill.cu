// Polygons [n, v, 2] to masks u8 [n, h, w], as OpenCV fills a contour.   Rule: math/polygon.h, cpu/polygon_fill.cpp
//
//   block = 32 rows of one mask, 8 warps:  vertices and slopes of all sides -> shared memory
//   warp  = a row at a time:
//     lane = side     its crossing with the row and the outline pixels it draws there -> two short lists
//     lane = 16 px    crossings toggle all pixels to their right, runs set pixels: 16 bits -> 16 bytes, one store
//
// A pixel is inside where an odd number of crossings lie at or before it, or where one lies upon it: the same pixels as
// between sorted pairs of crossings, without sorting.
//
// Bytes: 1 a pixel, written once; 8 a vertex and block. Per row v tests of a side, of which about 2 to 4 meet the row
// and divide; per 16 pixels about 10 integer operations a listed crossing or run. Bound by the writes.
// Deterministic: lists are compacted in the sides' order, every pixel is written once.
//
// Ladder (not measured: no GPU yet)
//   v1  thread = pixel over all sides, two divisions each.
//   v2  thread = side draws its outline into a cleared mask, a second kernel toggles and scans rows: 4 passes.
//   v3  this: one pass over the mask, 16 bytes a store.
#include "cuda/polygon_fill.h"

#include "cuda/kernel.cuh"
#include "math/polar.h"
#include "math/polygon.h"

namespace az::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kRows = 32;    // of a block
constexpr int kPixels = 16;  // of a store

/// What a row of a polygon is made of, in shared memory of the warp.
struct Row {
  int* crossings;  // 2 x + 1 where the crossing lies upon pixel x, else 2 x for the first pixel x behind it
  int2* runs;      // first and last pixel
  int crossing_count, run_count;
};

/// Where `keep` of the lanes before this one is set, added to `count`, which grows by all.
__device__ int append(bool keep, int lane, int& count) {
  const unsigned votes = __ballot_sync(kWholeWarp, keep);
  const int at = count + __popc(votes & ((1U << lane) - 1));
  count += __popc(votes);
  return at;
}

/// Collects the row's crossings and outline runs, clipped to the mask.   points, slopes [vertices]
__device__ void collect(const int2* points, const int64_t* slopes, int vertices, int y, int width, Row& row) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  row.crossing_count = row.run_count = 0;
  for (int base = 0; base < vertices; base += kWarp) {
    const int side = base + lane;
    bool crosses = false;
    int64_t x = 0;
    math::PixelRun run{0, -1};
    if (side < vertices) {
      const int2 a = points[side == 0 ? vertices - 1 : side - 1], b = points[side];
      const math::FillSide slanted{min(a.y, b.y), max(a.y, b.y), (a.y < b.y ? a.x : b.x) * math::kFillOne,
                                   slopes[side]};
      crosses = slanted.covers(y);
      x = slanted.at(y);
      run = math::line_run(a.x, a.y, b.x, b.y, y);
      run = {max(run.first, 0), min(run.last, width - 1)};
    }
    const int crossing_at = append(crosses, lane, row.crossing_count);
    if (crosses) {
      const int64_t pixel = (x + math::kFillOne - 1) >> 16;  // the first at or behind the crossing
      const int upon = pixel >= 0 && x % math::kFillOne == 0 ? 1 : 0;
      row.crossings[crossing_at] = pixel >= width ? 2 * width : (pixel < 0 ? 0 : static_cast<int>(pixel) * 2 + upon);
    }
    const bool drawn = run.first <= run.last;
    const int run_at = append(drawn, lane, row.run_count);
    if (drawn) row.runs[run_at] = make_int2(run.first, run.last);
  }
}

/// Pixels x .. x + 15 of the row, one bit each.
__device__ unsigned pixel_bits(const Row& row, int x) {
  constexpr unsigned kAll = (1U << kPixels) - 1;
  unsigned toggled = 0, set = 0;
  for (int i = 0; i < row.crossing_count; ++i) {
    const int from = row.crossings[i] / 2 - x;
    toggled ^= from <= 0 ? kAll : (from >= kPixels ? 0U : kAll << from);
    if (row.crossings[i] % 2 != 0 && from >= 0 && from < kPixels) set |= 1U << from;
  }
  for (int i = 0; i < row.run_count; ++i) {
    const int first = max(row.runs[i].x - x, 0), last = min(row.runs[i].y - x, kPixels - 1);
    if (first <= last) set |= (kAll << first) & (kAll >> (kPixels - 1 - last));
  }
  return (toggled | set) & kAll;
}

/// Four bits as four bytes of 0 or 1.
__device__ int bytes_of(unsigned bits) { return static_cast<int>((bits & 15U) * 0x00204081U & 0x01010101U); }

/// Writes the row: bytes up to a multiple of 16, then 16 at a time, then bytes.
__device__ void write_row(const Row& row, int width, uint8_t* mask) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int head = min(static_cast<int>((kPixels - reinterpret_cast<uintptr_t>(mask) % kPixels) % kPixels), width);
  const int packs = (width - head) / kPixels;
  for (int i = lane; i < packs; i += kWarp) {
    const unsigned bits = pixel_bits(row, head + i * kPixels);
    *reinterpret_cast<int4*>(mask + head + i * kPixels) =
        make_int4(bytes_of(bits), bytes_of(bits >> 4), bytes_of(bits >> 8), bytes_of(bits >> 12));
  }
  // Lanes 0 to 15 write the head, the others the tail: both have at most 15 pixels.
  const int tail = head + packs * kPixels + lane - kPixels;
  if (lane < head) mask[lane] = static_cast<uint8_t>(pixel_bits(row, lane) & 1U);
  if (lane >= kPixels && tail < width) mask[tail] = static_cast<uint8_t>(pixel_bits(row, tail) & 1U);
}

__global__ void __launch_bounds__(kThreads)
    fill_polygons_kernel(const float* polygons, const int32_t* count, int vertices, bool round, int height, int width,
                         int bands, uint8_t* masks) {
  const int polygon = static_cast<int>(blockIdx.x) / bands;
  const int top = (static_cast<int>(blockIdx.x) - polygon * bands) * kRows;
  if (count != nullptr && polygon >= *count) return;
  // Shared: slopes i64 [v], points int2 [v], runs int2 [warps, v], crossings i32 [warps, v].
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
  int64_t* slopes = dynamic_shared<int64_t>();
  int2* points = dynamic_shared<int2>() + vertices;
  int2* runs = points + vertices * (1 + warp);
  int* crossings = dynamic_shared<int>() + vertices * (4 + 2 * kWarps + warp);
  const float* own = polygons + int64_t{polygon} * vertices * 2;
  for (int i = thread; i < vertices; i += kThreads)
    points[i] = make_int2(math::vertex_pixel(own[2 * i], round), math::vertex_pixel(own[2 * i + 1], round));
  __syncthreads();
  for (int i = thread; i < vertices; i += kThreads) {
    const int2 a = points[i == 0 ? vertices - 1 : i - 1], b = points[i];
    slopes[i] = math::fill_side(a.x, a.y, b.x, b.y).slope;
  }
  __syncthreads();
  for (int y = top + warp; y < min(top + kRows, height); y += kWarps) {
    Row row{crossings, runs, 0, 0};
    collect(points, slopes, vertices, y, width, row);
    __syncwarp();
    write_row(row, width, masks + (int64_t{polygon} * height + y) * width);
    __syncwarp();  // the lists are read until here
  }
}

}  // namespace

void fill_polygons(Stream& stream, const float* polygons, const int32_t* count, int n, int vertices, bool round,
                   int height, int width, uint8_t* masks) {
  const int bands = (height + kRows - 1) / kRows;
  const int shared =
      vertices * static_cast<int>(sizeof(int64_t) + sizeof(int2) + kWarps * (sizeof(int2) + sizeof(int)));
  launch(stream, "fill_polygons_kernel", static_cast<unsigned>(n * bands), kThreads, shared, fill_polygons_kernel,
         polygons, count, vertices, round, height, width, bands, masks);
}

}  // namespace az::cuda
