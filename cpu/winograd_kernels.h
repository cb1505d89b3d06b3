// The inner loops of cpu/winograd.cpp as tables, one for each instruction set; cpu/winograd_loops.h has the bodies.
#pragma once

#include <cstdint>

#include "cpu/winograd.h"
#include "math/winograd.h"

namespace az::cpu {

using math::Winograd2x2;
using math::Winograd4x4;
using math::Winograd4x4Stride2;

/// f(Tile()) of the tile.
template <class F>
auto with_tile(WinogradTile tile, const F& f) {
  switch (tile) {
    case WinogradTile::two: return f(Winograd2x2());
    case WinogradTile::four: return f(Winograd4x4());
    case WinogradTile::four_stride2: break;
  }
  return f(Winograd4x4Stride2());
}

/// Where an output tile goes, pixel by pixel; null: outside of the map.
template <class Tile, class T>
struct WinogradOutput {
  T* y[Tile::kOut * Tile::kOut];
  const T* residual[Tile::kOut * Tile::kOut];  ///< all null where there is none
  const T* cut[Tile::kOut * Tile::kOut];       ///< likewise; y is 0 where this is not above 0
  const float* bias;                           ///< [k] or null
  bool relu;
};

/// out [rows][vectors * lanes] = a [rows][c] * b [c][vectors * lanes]. Meanwhile `next`, the panel that is wanted next,
/// is fetched: waiting for it would cost a sixth of the time.
using WinogradProduct = void (*)(const float* a, int64_t a_stride, const float* b, int64_t c, const float* next,
                                 float* out, int64_t out_stride);
inline constexpr int kWinogradMostRows = 14;

/// One instruction set's loops for maps of T (float or bf16) and tiles of Tile (Winograd4x4, Winograd2x2 or
/// Winograd4x4Stride2). A panel is 2 * lanes columns of the packed weights of a point, [c][2 * lanes], the last perhaps
/// one vector wide.
template <class Tile, class T>
struct WinogradKernels {
  int lanes;
  int rows;  ///< the most of one `product`
  /// v[p * point_stride + c] = (B^T d B)[p], d[p] pointing to the channels of the tile's pixel p.
  void (*input)(const T* const* pixels, int64_t c, float* v, int64_t point_stride);
  WinogradProduct product[2][kWinogradMostRows];  ///< [vectors - 1][rows - 1]
  /// The tile A^T q A with what follows, stored.
  void (*output)(const float* q, int64_t point_stride, int64_t k, const WinogradOutput<Tile, T>& to);
};

/// The loops for AVX2 with FMA, and for AVX-512; empty where the compiler's target is not x86-64.
template <class Tile, class T>
const WinogradKernels<Tile, T>& winograd_avx2();
template <class Tile, class T>
const WinogradKernels<Tile, T>& winograd_avx512();

}  // namespace az::cpu
