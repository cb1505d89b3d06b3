// Convolution and max-pooling in one go: a band of the convolution's rows at a time is pooled while it is in a cache,
// so that the map between them, a network's largest, is never in memory.
#pragma once

#include "cpu/conv.h"
#include "cpu/pool.h"

namespace az::cpu {

/// Elements of the convolution's rows that are made together. PolarMask-R50's stem at 800x1344, 2 threads, ms, least of
/// 4 runs: 128 Ki 17.5, 256 Ki 14.1, 512 Ki 13.2, 2 Mi 13.4 (steadier), the whole map at once 15.0.
inline constexpr int64_t kConvPoolBand = 2 << 20;

/// Whether conv_max_pool does it: direct convolution of f32 maps, or of bf16 where those are multiplied as they are.
bool conv_max_pool_fits(const CpuDevice& device, const ConvShape& shape, DType maps);

/// y = max_pool(relu(conv(x, w * scale) + bias)); what conv_forward and max_pool say of T, w, scale and rounding.
///   x [n, h, w, c]; `pool` is of maps [n, oh, ow, k]; y [n, h_out, w_out, k]
/// Errors: conv_max_pool_fits says no; a residual; no window fits.
template <class T>
void conv_max_pool(CpuDevice& device, const ConvShape& shape, const PoolShape& pool, const T* x, const float* w,
                   const float* scale, const WeightIdentity& identity, const ConvEpilogue& epilogue, T* y,
                   int64_t band = kConvPoolBand);

}  // namespace az::cpu
