// Per-element maps and sums over arrays with 16-byte accesses, for kernels of any family.
//
// map(count, body, y, x...) computes y[i] = body(x[i]...) with the threads of the whole one-dimensional grid, and
// sum_map(count, body, x...) adds up body(x[i]...). Elements reach the body as float (double for double, integers as
// they are). A thread takes packs of 16 bytes of the widest type, a block's width apart, and has several of them on
// their way before it uses the first; elements after the last whole pack, and all elements when a pointer is not
// aligned to 16 bytes, go one by one. Inputs may be the output: a thread reads its elements before it writes them.
#pragma once

#include <type_traits>

#include "cuda/kernel.cuh"

namespace az::cuda {

inline constexpr int kMapThreads = 256;

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t larger(int64_t a, int64_t b) { return a < b ? b : a; }

/// N elements in as few accesses as there are 16 bytes in them.
template <class T, int N>
struct alignas(smaller(16, N* int64_t{sizeof(T)})) Pack {
  T v[N];
};

/// How arrays of types T... are cut up.
template <class... T>
struct MapShape {
  static constexpr int64_t kWidest = [] {
    int64_t widest = 1;
    ((widest = larger(widest, sizeof(T))), ...);
    return widest;
  }();
  static constexpr int64_t kNarrowest = [] {
    int64_t narrowest = 8;
    ((narrowest = smaller(narrowest, sizeof(T))), ...);
    return narrowest;
  }();
  /// Elements of a pack, and packs of a thread: at least 32 bytes of each array are on their way.
  static constexpr int kElements = static_cast<int>(16 / kWidest);
  static constexpr int kPacks = static_cast<int>(2 * kWidest / kNarrowest);
  static constexpr int64_t kBlockElements = int64_t{kElements} * kPacks * kMapThreads;
};

/// Blocks of kMapThreads for a map over arrays of types T..., at most `most`.
template <class... T>
unsigned map_blocks(int64_t count, int64_t most = 1 << 20) {
  return blocks_for(count, MapShape<T...>::kBlockElements, most);
}

/// A block among those that share a map.
struct MapPart {
  int64_t block, blocks;
};
__device__ inline MapPart whole_grid() { return {int64_t{blockIdx.x}, int64_t{gridDim.x}}; }

template <class T>
__device__ auto widened(T v) {
  if constexpr (is_half_type<T>) {
    return static_cast<float>(v);
  } else {
    return v;
  }
}

template <class T>
__device__ bool aligned_to_16(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % 16 == 0;
}

/// P packs, a block's width apart.
template <class T, int N, int P>
struct Tile {
  Pack<T, N> pack[P];
};

/// Packs first, first + blockDim.x, ... of `packs`; past the end, the last one again.
template <int N, int P, class T>
__device__ Tile<T, N, P> load_tile(const T* x, int64_t first, int64_t packs) {
  Tile<T, N, P> tile;
#pragma unroll
  for (int p = 0; p < P; ++p) {
    const int64_t at = first + p * int64_t{blockDim.x};
    tile.pack[p] = reinterpret_cast<const Pack<T, N>*>(x)[at < packs ? at : packs - 1];
  }
  return tile;
}

/// All loads happen before the call, as its arguments.
template <int N, int P, class Body, class Out, class... In>
__device__ void store_tile(const Body& body, Out* y, int64_t first, int64_t packs, const Tile<In, N, P>&... in) {
#pragma unroll
  for (int p = 0; p < P; ++p) {
    const int64_t at = first + p * int64_t{blockDim.x};
    if (at >= packs) return;
    Pack<Out, N> out;
#pragma unroll
    for (int k = 0; k < N; ++k) out.v[k] = static_cast<Out>(body(widened(in.pack[p].v[k])...));
    reinterpret_cast<Pack<Out, N>*>(y)[at] = out;
  }
}

template <int N, int P, class Body, class... In>
__device__ double sum_tile(const Body& body, int64_t first, int64_t packs, const Tile<In, N, P>&... in) {
  double sum = 0;
#pragma unroll
  for (int p = 0; p < P; ++p)
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const double term = static_cast<double>(body(widened(in.pack[p].v[k])...));
      sum += first + p * int64_t{blockDim.x} < packs ? term : 0;
    }
  return sum;
}

/// y[i] = body(x[i]...), the part of one block. The body sees each element once.
template <class Body, class Out, class... In>
__device__ void map(MapPart part, int64_t count, const Body& body, Out* y, const In*... x) {
  constexpr int N = MapShape<Out, In...>::kElements;
  constexpr int P = MapShape<Out, In...>::kPacks;
  const bool aligned = (aligned_to_16(y) && ... && aligned_to_16(x));
  const int64_t packs = aligned ? count / N : 0;
  const int64_t threads = part.blocks * blockDim.x;
  for (int64_t first = part.block * blockDim.x * P + threadIdx.x; first < packs; first += threads * P)
    store_tile<N, P>(body, y, first, packs, load_tile<N, P>(x, first, packs)...);
  for (int64_t i = packs * N + part.block * blockDim.x + threadIdx.x; i < count; i += threads)
    y[i] = static_cast<Out>(body(widened(x[i])...));
}

/// y[i] = body(x[i]...) with the whole grid.
template <class Body, class Out, class... In>
__device__ void map(int64_t count, const Body& body, Out* y, const In*... x) {
  map(whole_grid(), count, body, y, x...);
}

/// This thread's share of the sum of body(x[i]...), in double, in an order that the part and alignment fix.
template <class Body, class... In>
__device__ double sum_map(MapPart part, int64_t count, const Body& body, const In*... x) {
  constexpr int N = MapShape<In...>::kElements;
  constexpr int P = MapShape<In...>::kPacks;
  const bool aligned = (aligned_to_16(x) && ...);
  const int64_t packs = aligned ? count / N : 0;
  const int64_t threads = part.blocks * blockDim.x;
  double sum = 0;
  for (int64_t first = part.block * blockDim.x * P + threadIdx.x; first < packs; first += threads * P)
    sum += sum_tile<N, P>(body, first, packs, load_tile<N, P>(x, first, packs)...);
  for (int64_t i = packs * N + part.block * blockDim.x + threadIdx.x; i < count; i += threads)
    sum += static_cast<double>(body(widened(x[i])...));
  return sum;
}

/// The same, shared by the whole grid.
template <class Body, class... In>
__device__ double sum_map(int64_t count, const Body& body, const In*... x) {
  return sum_map(whole_grid(), count, body, x...);
}

}  // namespace az::cuda
