// Winograd's loops for AVX2 with FMA.
#include "cpu/vector_avx2.h"

#include "cpu/winograd_loops.h"
#include "tensor/dtype.h"

namespace az::cpu {

template <class Tile, class T>
const WinogradKernels<Tile, T>& winograd_avx2() {
#if defined(__x86_64__)
  static constexpr WinogradKernels<Tile, T> kKernels = winograd::make_kernels<Avx2, Tile, T>();
#else
  static constexpr WinogradKernels<Tile, T> kKernels{};
#endif
  return kKernels;
}

template const WinogradKernels<Winograd4x4, float>& winograd_avx2();
template const WinogradKernels<Winograd4x4, bf16>& winograd_avx2();
template const WinogradKernels<Winograd2x2, float>& winograd_avx2();
template const WinogradKernels<Winograd2x2, bf16>& winograd_avx2();
template const WinogradKernels<Winograd4x4Stride2, float>& winograd_avx2();
template const WinogradKernels<Winograd4x4Stride2, bf16>& winograd_avx2();

}  // namespace az::cpu
