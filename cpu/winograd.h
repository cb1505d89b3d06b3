// 3x3 convolution by Winograd's F(4x4, 3x3) or F(2x2, 3x3), or of stride 2 by F(4, 2) (math/winograd.h): padding equal
// to the dilation or none, f32 or bf16 maps, sums in f32, NHWC, any size and channels.
//
// Tiles are taken a block at a time: transform the inputs, one matrix product for each of the 36, 16 or 81 points,
// transform the outputs with bias, residual and ReLU. Channels are the vector dimension throughout, so nothing is
// reordered. A convolution of dilation d is d * d ordinary ones, each of every d-th row and column. AVX-512 and AVX2
// add the same products in the same order and give the same bits, as any number of threads does.
#pragma once

#include <cstdint>
#include <span>

#include "cpu/conv.h"
#include "tensor/huge_buffer.h"

namespace az::cpu {

/// What the matrix products and transforms are compiled for; `none`: neither is there, or not x86-64.
enum class WinogradSimd : uint8_t { none, avx2, avx512 };

/// The best that this processor has.
WinogradSimd winograd_simd();

/// Outputs of a tile each way. Four: a quarter of direct convolution's products, weights 4 times as large. Two: 4/9 of
/// the products, weights 16/9 times as large, half the error. Four of a convolution of stride 2: 9/16 of the products,
/// weights 4 times as large.
enum class WinogradTile : uint8_t { two, four, four_stride2 };

/// Whether the convolution is of the kind: 3x3, stride 1, or 2 without dilation; padding equal to the dilation or 0; no
/// groups.
bool winograd_fits(const ConvShape& shape);
/// Whether it is then faster than direct convolution: a rule of the shape alone, so that every run chooses alike.
bool winograd_pays(const ConvShape& shape);
/// The fastest tile where it pays, likewise.
WinogradTile winograd_best_tile(const ConvShape& shape);

/// The weights of which convolution: the forward one, or that of dy that gives dx (rotated, channels exchanged).
enum class WinogradWeights : uint8_t { forward, backward_data };

/// Floats of the transformed weights.
size_t winograd_packed_count(WinogradSimd simd, int64_t c, int64_t k, WinogradTile tile = WinogradTile::four);
/// Transforms w [k, 3, 3, c], times scale [k] or null and then perhaps rounded to bf16, in double, rounded once.
/// `packed` holds winograd_packed_count(simd, c, k, tile) floats, or for backward_data (simd, k, c, tile).
void winograd_pack(WinogradSimd simd, WinogradWeights which, int64_t c, int64_t k, const float* w, const float* scale,
                   float* packed, WinogradTile tile = WinogradTile::four, bool rounded = false);

/// Maps of several sizes with the same weights: all their tiles are one piece of work.
template <class T>
struct WinogradCall {
  WinogradSimd simd = WinogradSimd::none;
  WinogradTile tile = WinogradTile::four;
  int64_t c = 0, k = 0, padding = 1, dilation = 1;
  const float* packed = nullptr;
  const float* bias = nullptr;  ///< [k] or null
  bool relu = false;
  std::span<const ConvMaps<T>> maps;
};

/// y = relu(conv(x, packed) + bias + residual), cut, for all maps of the call. `scratch` is kept by the caller from
/// call to call. An infinite or NaN input spoils its whole tile.
template <class T>
void winograd_forward(const WinogradCall<T>& call, HugeBuffer& scratch);
/// The same for maps of one size. Error: winograd_fits does not hold.
template <class T>
void winograd_forward(WinogradSimd simd, const ConvShape& shape, const T* x, const float* packed,
                      const ConvEpilogue& epilogue, HugeBuffer& scratch, T* y, WinogradTile tile = WinogradTile::four);

}  // namespace az::cpu
