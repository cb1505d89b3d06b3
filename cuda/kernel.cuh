// What every .cu file includes first. nvcc builds it as CUDA; the host compiler builds the same text for the emulated
// device.
//
// Kernels are started with launch() only. Static shared memory is declared with AZ_SHARED(name, type), dynamic shared
// memory is taken with dynamic_shared<T>(): the emulation fills both with a pattern and fences them.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include "cuda/emulator/kernel.h"
#endif

#include "cuda/launch.h"

namespace az::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kWholeWarp = 0xffffffffU;

#ifdef __CUDACC__
template <class T>
using Same = T;
/// AZ_SHARED(tile, float[32][33]);
#define AZ_SHARED(name, ...) __shared__ ::az::cuda::Same<__VA_ARGS__> name

/// The launch's dynamic shared memory, aligned to 16 bytes.
template <class T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char az_dynamic_shared[];
  return reinterpret_cast<T*>(az_dynamic_shared);
}
#endif

/// Blocks that cover `count` with `block` each, at most `most`; at least 1.
inline unsigned blocks_for(int64_t count, int64_t block, int64_t most = 1 << 20) {
  const int64_t blocks = (count + block - 1) / block;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > most ? most : blocks);
}

/// This thread's index over the whole one-dimensional grid, and the number of threads in it.
__device__ inline int64_t thread_index() { return int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ inline int64_t thread_count() { return int64_t{gridDim.x} * blockDim.x; }

/// Sum over the warp's lanes, the same bits in each: a butterfly, in a fixed order.
template <class T>
__device__ inline T warp_sum(T v) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) v += __shfl_xor_sync(kWholeWarp, v, offset);
  return v;
}

/// Sum over the block's threads, valid in every thread. blockDim.x is a multiple of 32 and the block one-dimensional;
/// every thread calls it. Fixed order.
template <class T>
__device__ inline T block_sum(T v) {
  AZ_SHARED(parts, T[kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  v = warp_sum(v);
  __syncthreads();  // parts may still be read from an earlier call
  if (lane == 0) parts[warp] = v;
  __syncthreads();
  return warp_sum(lane < warps ? parts[lane] : T(0));
}

}  // namespace az::cuda
