// Neighbouring elements that a thread loads and stores at once. Included by .cu files.
#pragma once

#include <cstdint>

#include "cuda/kernel.cuh"

namespace az::cuda {

/// N elements as one word of up to 16 bytes.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

/// Elements in 16 bytes, the widest load there is.
template <class T>
inline constexpr int kPack = 16 / static_cast<int>(sizeof(T));

/// `from` is aligned to a whole pack.
template <int N, class T>
__device__ inline Pack<T, N> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <class T, int N>
__device__ inline void store_pack(T* to, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

/// Whether every pixel of `channels` elements begins at a multiple of 16 bytes, in all of the maps (null: no map).
template <class T, class... P>
bool packs(int64_t channels, const P*... maps) {
  return channels % kPack<T> == 0 && ((reinterpret_cast<uintptr_t>(maps) % 16 == 0) && ...);
}

}  // namespace az::cuda
