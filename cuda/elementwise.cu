// Element-wise maps. The formulas are math/elementwise.h's, so f32 and f64 have the CPU's bits but for exp.
//
//   kernel               computes                                    bytes an element of s bytes    flops
//   cast                 y = x in another type                       s_in + s_out                   0
//   fill, broadcast      y = value                                   s                              0
//   map_forward          y = relu, exp or sigmoid of x               2 s                            1, ~20, ~25
//   map_backward         dx from y and dy                            3 s                            1 to 3
//   add                  y = a + b                                   3 s                            1
//   add_cut              y = a + b where relu > 0, else 0            4 s                            2
//   scale, scale_by      y = factor x, from the host or the device   2 s                            1
//   scale_rows           y[r] = factor[r] x[r]                       2 s                            1
//   exp_scaled           y = exp(min(s x, limit))                    2 s                            ~22
//   exp_scaled_backward  dx = dz s; parts of ds = sum dz x           4 s                            5
//   concat_levels        levels [n, l, c] into [n, sum l, c]         2 s                            0
//   split_levels         back again                                  2 s                            0
//
// Mapping: cuda/map.cuh; one thread takes packs of 16 bytes, 256 threads apart. scale_rows: a row of blocks a matrix
// row. concat_levels: block x stands for a part of one level of image block y, so no index is ever divided.
// Limit: memory, everywhere. Deterministic: one thread an element; ds is summed in double in a fixed order.
// Ladder, share of the copy bandwidth at 2^26 elements (not measured: no GPU yet):
//   v1  one element a thread, grid stride
//   v2  16-byte packs
//   v3  this: two or more packs on their way a thread
#include "cuda/elementwise.h"

#include <cstring>

#include "cuda/map.cuh"
#include "cuda/reduce.h"
#include "math/elementwise.h"

namespace az::cuda {
namespace {

template <class From, class To>
__global__ void __launch_bounds__(kMapThreads) cast_kernel(const From* x, To* y, int64_t count) {
  map(
      count, [](Wide<From> v) { return math::cast<To>(v); }, y, x);
}

template <class T>
__global__ void __launch_bounds__(kMapThreads) fill_kernel(T value, T* y, int64_t count) {
  map(
      count, [value] { return value; }, y);
}

template <class T>
__global__ void __launch_bounds__(kMapThreads) broadcast_kernel(const T* value, T* y, int64_t count) {
  const T v = *value;
  map(
      count, [v] { return v; }, y);
}

__global__ void count_up_kernel(int64_t* count) { *count += 1; }

template <class Body, class T>
__global__ void __launch_bounds__(kMapThreads) map_forward_kernel(const T* x, T* y, int64_t count) {
  map(
      count, [](Wide<T> v) { return Body{}.forward(v); }, y, x);
}

template <class Body, class T>
__global__ void __launch_bounds__(kMapThreads) map_backward_kernel(const T* saved, const T* dy, T* dx, int64_t count) {
  map(
      count, [](Wide<T> v, Wide<T> d) { return Body{}.backward(v, d); }, dx, saved, dy);
}

template <class T>
__global__ void __launch_bounds__(kMapThreads) add_kernel(const T* a, const T* b, T* y, int64_t count) {
  map(
      count, [](Wide<T> v, Wide<T> w) { return v + w; }, y, a, b);
}

template <class T>
__global__ void __launch_bounds__(kMapThreads)
    add_cut_kernel(const T* a, const T* b, const T* relu, T* y, int64_t count) {
  map(
      count, [](Wide<T> v, Wide<T> w, Wide<T> r) { return math::Relu{}.backward(r, v + w); }, y, a, b, relu);
}

template <class T>
__global__ void __launch_bounds__(kMapThreads) scale_kernel(const T* x, Wide<T> factor, T* y, int64_t count) {
  map(
      count, [factor](Wide<T> v) { return factor * v; }, y, x);
}

template <class T>
__global__ void __launch_bounds__(kMapThreads) scale_by_kernel(const T* x, const T* factor, T* y, int64_t count) {
  const T f = *factor;
  map(
      count, [f](T v) { return f * v; }, y, x);
}

template <class T>
__global__ void __launch_bounds__(kMapThreads)
    scale_rows_kernel(const T* x, const T* factor, T* y, int64_t rows, int64_t columns) {
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
    const T f = factor[r];
    map(
        columns, [f](T v) { return f * v; }, y + r * columns, x + r * columns);
  }
}

template <class T>
__global__ void __launch_bounds__(kMapThreads) exp_scaled_kernel(const T* x, const T* s, T limit, T* y, int64_t count) {
  const math::ExpScaled<T> body{*s, limit};
  map(
      count, [body](T v) { return body.forward(v); }, y, x);
}

/// parts[block] = the block's share of ds. dx is written after dz is used, so it may be x, y or dy.
template <class T>
__global__ void __launch_bounds__(kMapThreads)
    exp_scaled_backward_kernel(const T* x, const T* y, const T* dy, const T* s, T limit, T* dx, double* parts,
                               int64_t count) {
  const math::ExpScaled<T> body{*s, limit};
  double sum = 0;
  map(
      count,
      [body, &sum](T vx, T vy, T vdy) {
        const T dz = body.inner(vx, vy, vdy);
        sum += static_cast<double>(dz) * static_cast<double>(vx);
        return body.s * dz;
      },
      dx, x, y, dy);
  sum = block_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

/// Blocks [first_block[l], first_block[l + 1]) copy level l, whose images lie at start[l] of each joined image.
struct LevelBlocks {
  void* at[kMostLevels];
  int64_t elements[kMostLevels];
  int64_t start[kMostLevels + 1];
  int64_t first_block[kMostLevels + 1];
};

/// f(level's elements, joined elements, count, part) for the level and every image that this block takes part in.
template <class T, class Joined, class F>
__device__ void for_level_images(const LevelBlocks& levels, Joined* joined, int64_t images, const F& f) {
  int l = 0;
  while (int64_t{blockIdx.x} >= levels.first_block[l + 1]) ++l;
  const int64_t count = levels.elements[l];
  const MapPart part{int64_t{blockIdx.x} - levels.first_block[l], levels.first_block[l + 1] - levels.first_block[l]};
  for (int64_t n = blockIdx.y; n < images; n += gridDim.y)
    f(static_cast<T*>(levels.at[l]) + n * count, joined + n * levels.start[kMostLevels] + levels.start[l], count, part);
}

template <class T>
__global__ void __launch_bounds__(kMapThreads) concat_levels_kernel(LevelBlocks levels, T* joined, int64_t images) {
  for_level_images<T>(levels, joined, images, [](const T* level, T* to, int64_t count, MapPart part) {
    map(
        part, count, [](T v) { return v; }, to, level);
  });
}

template <class T>
__global__ void __launch_bounds__(kMapThreads)
    split_levels_kernel(LevelBlocks levels, const T* joined, int64_t images) {
  for_level_images<T>(levels, joined, images, [](T* level, const T* from, int64_t count, MapPart part) {
    map(
        part, count, [](T v) { return v; }, level, from);
  });
}

/// f(T{}) with the unsigned integer of that many bytes.
template <class F>
void with_bytes(int64_t bytes, const F& f) {
  if (bytes == 1) f(uint8_t{});
  if (bytes == 2) f(uint16_t{});
  if (bytes == 4) f(uint32_t{});
  if (bytes == 8) f(uint64_t{});
}

template <class T>
LevelBlocks level_blocks(const LevelTable& table) {
  LevelBlocks levels{};
  for (int l = 0; l < kMostLevels; ++l) {
    const bool used = l < table.levels && table.elements[l] > 0;
    levels.at[l] = used ? table.at[l] : nullptr;
    levels.elements[l] = used ? table.elements[l] : 0;
    levels.start[l + 1] = levels.start[l] + levels.elements[l];
    levels.first_block[l + 1] = levels.first_block[l] + (used ? map_blocks<T>(table.elements[l], 4096) : 0);
  }
  return levels;
}

dim3 level_grid(const LevelBlocks& levels, int64_t images) {
  return {static_cast<unsigned>(levels.first_block[kMostLevels]), static_cast<unsigned>(smaller(images, 65535))};
}

}  // namespace

template <class From, class To>
void cast(Stream& stream, const From* x, To* y, int64_t count) {
  launch(stream, "cast_kernel", map_blocks<From, To>(count), kMapThreads, 0, cast_kernel<From, To>, x, y, count);
}

void fill(Stream& stream, void* to, const void* value, int64_t value_bytes, int64_t count) {
  with_bytes(value_bytes, [&](auto v) {
    using T = decltype(v);
    std::memcpy(&v, value, sizeof v);
    launch(stream, "fill_kernel", map_blocks<T>(count), kMapThreads, 0, fill_kernel<T>, v, static_cast<T*>(to), count);
  });
}

template <class T>
void broadcast(Stream& stream, const T* value, T* y, int64_t count) {
  launch(stream, "broadcast_kernel", map_blocks<T>(count), kMapThreads, 0, broadcast_kernel<T>, value, y, count);
}

void count_up(Stream& stream, int64_t* count) { launch(stream, "count_up_kernel", 1, 1, 0, count_up_kernel, count); }

template <class Body, class T>
void map_forward(Stream& stream, const T* x, T* y, int64_t count) {
  launch(stream, "map_forward_kernel", map_blocks<T>(count), kMapThreads, 0, map_forward_kernel<Body, T>, x, y, count);
}

template <class Body, class T>
void map_backward(Stream& stream, const T* saved, const T* dy, T* dx, int64_t count) {
  launch(stream, "map_backward_kernel", map_blocks<T>(count), kMapThreads, 0, map_backward_kernel<Body, T>, saved, dy,
         dx, count);
}

template <class T>
void add(Stream& stream, const T* a, const T* b, T* y, int64_t count) {
  launch(stream, "add_kernel", map_blocks<T>(count), kMapThreads, 0, add_kernel<T>, a, b, y, count);
}

template <class T>
void add_cut(Stream& stream, const T* a, const T* b, const T* relu, T* y, int64_t count) {
  launch(stream, "add_cut_kernel", map_blocks<T>(count), kMapThreads, 0, add_cut_kernel<T>, a, b, relu, y, count);
}

template <class T>
void scale(Stream& stream, const T* x, Wide<T> factor, T* y, int64_t count) {
  launch(stream, "scale_kernel", map_blocks<T>(count), kMapThreads, 0, scale_kernel<T>, x, factor, y, count);
}

template <class T>
void scale_by(Stream& stream, const T* x, const T* factor, T* y, int64_t count) {
  launch(stream, "scale_by_kernel", map_blocks<T>(count), kMapThreads, 0, scale_by_kernel<T>, x, factor, y, count);
}

template <class T>
void scale_rows(Stream& stream, const T* x, const T* factor, T* y, int64_t rows, int64_t columns) {
  const dim3 grid(map_blocks<T>(columns), static_cast<unsigned>(smaller(rows, 65535)));
  launch(stream, "scale_rows_kernel", grid, kMapThreads, 0, scale_rows_kernel<T>, x, factor, y, rows, columns);
}

template <class T>
void exp_scaled(Stream& stream, const T* x, const T* s, T limit, T* y, int64_t count) {
  launch(stream, "exp_scaled_kernel", map_blocks<T>(count), kMapThreads, 0, exp_scaled_kernel<T>, x, s, limit, y,
         count);
}

template <class T>
void exp_scaled_backward(Stream& stream, const T* x, const T* y, const T* dy, const T* s, T limit, T* dx, T* ds,
                         double* parts, int64_t count) {
  const unsigned blocks = map_blocks<T>(count, kSumParts);
  launch(stream, "exp_scaled_backward_kernel", blocks, kMapThreads, 0, exp_scaled_backward_kernel<T>, x, y, dy, s,
         limit, dx, parts, count);
  sum_parts(stream, parts, blocks, ds);
}

void concat_levels(Stream& stream, const LevelTable& table, void* joined, int64_t images, int64_t element_bytes) {
  with_bytes(element_bytes, [&](auto v) {
    using T = decltype(v);
    const LevelBlocks levels = level_blocks<T>(table);
    launch(stream, "concat_levels_kernel", level_grid(levels, images), kMapThreads, 0, concat_levels_kernel<T>, levels,
           static_cast<T*>(joined), images);
  });
}

void split_levels(Stream& stream, const LevelTable& table, const void* joined, int64_t images, int64_t element_bytes) {
  with_bytes(element_bytes, [&](auto v) {
    using T = decltype(v);
    const LevelBlocks levels = level_blocks<T>(table);
    launch(stream, "split_levels_kernel", level_grid(levels, images), kMapThreads, 0, split_levels_kernel<T>, levels,
           static_cast<const T*>(joined), images);
  });
}

template void cast(Stream&, const float*, double*, int64_t);
template void cast(Stream&, const double*, float*, int64_t);
template void cast(Stream&, const bf16*, f16*, int64_t);
template void cast(Stream&, const f16*, bf16*, int64_t);

#define AZ_INSTANTIATE(T)                                                              \
  template void cast(Stream&, const float*, T*, int64_t);                              \
  template void cast(Stream&, const T*, float*, int64_t);                              \
  template void cast(Stream&, const T*, double*, int64_t);                             \
  template void cast(Stream&, const double*, T*, int64_t);                             \
  template void map_forward<math::Relu, T>(Stream&, const T*, T*, int64_t);            \
  template void map_backward<math::Relu, T>(Stream&, const T*, const T*, T*, int64_t); \
  template void add(Stream&, const T*, const T*, T*, int64_t);                         \
  template void add_cut(Stream&, const T*, const T*, const T*, T*, int64_t);           \
  template void scale(Stream&, const T*, float, T*, int64_t);
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
#undef AZ_INSTANTIATE

#define AZ_INSTANTIATE(T)                                                                 \
  template void broadcast(Stream&, const T*, T*, int64_t);                                \
  template void map_forward<math::Relu, T>(Stream&, const T*, T*, int64_t);               \
  template void map_forward<math::Exp, T>(Stream&, const T*, T*, int64_t);                \
  template void map_forward<math::Sigmoid, T>(Stream&, const T*, T*, int64_t);            \
  template void map_backward<math::Relu, T>(Stream&, const T*, const T*, T*, int64_t);    \
  template void map_backward<math::Exp, T>(Stream&, const T*, const T*, T*, int64_t);     \
  template void map_backward<math::Sigmoid, T>(Stream&, const T*, const T*, T*, int64_t); \
  template void add(Stream&, const T*, const T*, T*, int64_t);                            \
  template void add_cut(Stream&, const T*, const T*, const T*, T*, int64_t);              \
  template void scale(Stream&, const T*, T, T*, int64_t);                                 \
  template void scale_by(Stream&, const T*, const T*, T*, int64_t);                       \
  template void scale_rows(Stream&, const T*, const T*, T*, int64_t, int64_t);            \
  template void exp_scaled(Stream&, const T*, const T*, T, T*, int64_t);                  \
  template void exp_scaled_backward(Stream&, const T*, const T*, const T*, const T*, T, T*, T*, double*, int64_t);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
