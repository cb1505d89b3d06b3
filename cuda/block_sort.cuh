// What top-k and suppression share: a block's sort, and warps that take consecutive runs of an array.
#pragma once

#include "cuda/kernel.cuh"

namespace az::cuda {

/// Elements of 8 bytes that a block sorts in shared memory (32 KiB); more are sorted in place in global memory.
inline constexpr int kSharedSort = 4096;

/// The smallest power of two that is not below `count`.
constexpr int padded_size(int count) {
  int size = 1;
  while (size < count) size *= 2;
  return size;
}

/// A key and, behind it, an index: larger is a larger key or, among equal keys, a smaller index.
__device__ inline uint64_t ranked(uint32_t key, int index) {
  return uint64_t{key} << 32 | static_cast<uint32_t>(~index);
}
__device__ inline int index_of(uint64_t r) { return static_cast<int>(~static_cast<uint32_t>(r)); }

/// Sorts v [count], count a power of two, from large to small: a bitonic network. Every thread of the block calls it,
/// blockDim.x is a multiple of 32. Begins where the caller has passed a barrier, ends with one. Steps over at most
/// a warp's 64 elements wait for the warp only.
__device__ inline void block_sort_descending(uint64_t* v, int count) {
  for (int size = 2; size <= count; size *= 2) {
    for (int stride = size / 2; stride > 0; stride /= 2) {
      for (int i = static_cast<int>(threadIdx.x); i < count / 2; i += static_cast<int>(blockDim.x)) {
        const int low = 2 * i - (i & (stride - 1));
        const uint64_t a = v[low], b = v[low + stride];
        if ((a < b) == ((low & size) == 0)) {
          v[low] = b;
          v[low + stride] = a;
        }
      }
      const int next = stride > 1 ? stride / 2 : size;
      if (stride > kWarp || next > kWarp)
        __syncthreads();
      else
        __syncwarp();
    }
  }
  __syncthreads();
}

/// The consecutive elements of [0, count) that this thread's warp takes.
struct WarpRun {
  int begin, end;
};
__device__ inline WarpRun warp_run(int count) {
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  const int length = (count + warps * kWarp - 1) / (warps * kWarp) * kWarp;
  const int begin = static_cast<int>(threadIdx.x) / kWarp * length;
  return {begin < count ? begin : count, begin + length < count ? begin + length : count};
}

/// Sum of `v` over the warps before this one, and over all. `v` is the same in a warp's lanes; `parts` [32] is shared
/// memory. Every thread calls it.
__device__ inline int warps_before(int v, int* parts, int& total) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  __syncthreads();  // parts may still be read from an earlier call
  if (lane == 0) parts[warp] = v;
  __syncthreads();
  const int mine = lane < static_cast<int>(blockDim.x) / kWarp ? parts[lane] : 0;
  total = warp_sum(mine);
  return warp_sum(lane < warp ? mine : 0);
}

/// Lanes below this one, as a mask.
__device__ inline unsigned lanes_below() { return (1U << (threadIdx.x % kWarp)) - 1U; }

}  // namespace az::cuda
