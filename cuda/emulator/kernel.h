// CUDA's device names for the host compiler, as far as our kernels use them. A .cu file built with this header runs on
// the emulated device: one fiber a thread, see cuda/emulator/block.h. Only .cu files include it.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>

#include "cuda/emulator/block.h"
#include "cuda/emulator/runtime.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)

#define threadIdx (::az::cuda::emulator::current_thread)
#define blockIdx (::az::cuda::emulator::current_block->index)
#define blockDim (::az::cuda::emulator::current_block->shape.block)
#define gridDim (::az::cuda::emulator::current_block->shape.grid)

namespace az::cuda {

template <class T>
using Same = T;

/// A reference to the block's one array of that declaration.
#define AZ_SHARED(name, ...)                                 \
  static char name##_site;                                   \
  auto& name = *static_cast<::az::cuda::Same<__VA_ARGS__>*>( \
      ::az::cuda::emulator::static_shared(&name##_site, sizeof(::az::cuda::Same<__VA_ARGS__>)))

template <class T>
T* dynamic_shared() {
  return reinterpret_cast<T*>(emulator::current_block->dynamic);
}

}  // namespace az::cuda

// Barriers and votes of the block.
inline void __syncthreads(std::source_location where = std::source_location::current()) {
  az::cuda::emulator::block_barrier(false, where);
}
inline int __syncthreads_count(int predicate, std::source_location where = std::source_location::current()) {
  return az::cuda::emulator::block_barrier(predicate != 0, where).set;
}
inline int __syncthreads_or(int predicate, std::source_location where = std::source_location::current()) {
  return az::cuda::emulator::block_barrier(predicate != 0, where).set > 0;
}
inline int __syncthreads_and(int predicate, std::source_location where = std::source_location::current()) {
  const auto votes = az::cuda::emulator::block_barrier(predicate != 0, where);
  return votes.set == votes.present;
}
[[noreturn]] inline void __trap() { az::cuda::emulator::trap(); }
inline void __threadfence() {}
inline void __threadfence_block() {}

// Warp operations. A lane that is named in the mask and has not returned must take part, at the same line.
inline void __syncwarp(unsigned mask = ~0U, std::source_location where = std::source_location::current()) {
  az::cuda::emulator::warp_vote(mask, false, where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              std::source_location where = std::source_location::current()) {
  return az::cuda::emulator::warp_vote(mask, predicate != 0, where).votes;
}
inline int __any_sync(unsigned mask, int predicate, std::source_location where = std::source_location::current()) {
  return az::cuda::emulator::warp_vote(mask, predicate != 0, where).votes != 0;
}
inline int __all_sync(unsigned mask, int predicate, std::source_location where = std::source_location::current()) {
  const auto warp = az::cuda::emulator::warp_vote(mask, predicate != 0, where);
  return warp.votes == warp.present;
}
inline unsigned __activemask() { return az::cuda::emulator::live_lanes(); }

namespace az::cuda::emulator {

/// v of the lane `source` of this one's segment; its own where that lies outside.
template <class T>
T shuffle(unsigned mask, T v, int source, int width, const std::source_location& where) {
  static_assert(sizeof(T) <= 8);
  const int lane = lane_index();
  const int first = lane / width * width;
  const bool inside = source >= first && source < first + width;
  uint64_t bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  bits = warp_exchange(mask, bits, inside ? source : lane, where);
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

}  // namespace az::cuda::emulator

template <class T>
T __shfl_sync(unsigned mask, T v, int source, int width = 32,
              std::source_location where = std::source_location::current()) {
  const int first = az::cuda::emulator::lane_index() / width * width;
  return az::cuda::emulator::shuffle(mask, v, first + ((source % width) + width) % width, width, where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32,
                  std::source_location where = std::source_location::current()) {
  return az::cuda::emulator::shuffle(mask, v, az::cuda::emulator::lane_index() ^ bits, width, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32,
                   std::source_location where = std::source_location::current()) {
  return az::cuda::emulator::shuffle(mask, v, az::cuda::emulator::lane_index() + static_cast<int>(delta), width, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32,
                 std::source_location where = std::source_location::current()) {
  return az::cuda::emulator::shuffle(mask, v, az::cuda::emulator::lane_index() - static_cast<int>(delta), width, where);
}

// Atomics: blocks run on several host threads, so these are real.
template <class T>
T atomicAdd(T* at, std::type_identity_t<T> v) {
  return std::atomic_ref<T>(*at).fetch_add(v);
}
template <class T>
T atomicSub(T* at, std::type_identity_t<T> v) {
  return std::atomic_ref<T>(*at).fetch_sub(v);
}
template <class T>
T atomicOr(T* at, std::type_identity_t<T> v) {
  return std::atomic_ref<T>(*at).fetch_or(v);
}
template <class T>
T atomicAnd(T* at, std::type_identity_t<T> v) {
  return std::atomic_ref<T>(*at).fetch_and(v);
}
template <class T>
T atomicExch(T* at, std::type_identity_t<T> v) {
  return std::atomic_ref<T>(*at).exchange(v);
}
template <class T>
T atomicCAS(T* at, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
  std::atomic_ref<T>(*at).compare_exchange_strong(expected, v);
  return expected;
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> v) {
  std::atomic_ref<T> value(*at);
  T old = value.load();
  while (old < v && !value.compare_exchange_weak(old, v)) {
  }
  return old;
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> v) {
  std::atomic_ref<T> value(*at);
  T old = value.load();
  while (v < old && !value.compare_exchange_weak(old, v)) {
  }
  return old;
}

// Bits, loads and small vectors.
inline int __popc(unsigned v) { return std::popcount(v); }
inline int __popcll(unsigned long long v) { return std::popcount(v); }
inline int __clz(int v) { return std::countl_zero(static_cast<unsigned>(v)); }
inline int __clzll(long long v) { return std::countl_zero(static_cast<unsigned long long>(v)); }
inline int __ffs(int v) { return v == 0 ? 0 : std::countr_zero(static_cast<unsigned>(v)) + 1; }
inline int __ffsll(long long v) { return v == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(v)) + 1; }
template <class T>
T __ldg(const T* at) {
  return *at;
}
inline int __float_as_int(float v) { return std::bit_cast<int>(v); }
inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
inline float __int_as_float(int v) { return std::bit_cast<float>(v); }
inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }
inline float rsqrtf(float v) { return 1.0F / std::sqrt(v); }

struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) { return {x, y, z, w}; }

// CUDA offers these without a namespace.
template <class T>
constexpr T min(T a, std::type_identity_t<T> b) {
  return b < a ? b : a;
}
template <class T>
constexpr T max(T a, std::type_identity_t<T> b) {
  return a < b ? b : a;
}
