// The steps of docs/kernels/walkthrough.md, from naive to fast: depthwise cross-correlation with kernels of 5 x 5 in
// f32. The last step of the page is cuda/xcorr.cu itself. tests/cuda/walkthrough_test.cpp runs each and counts its
// loads.
//
// T is float, or a type that converts to float and counts it. Channels are a multiple of 32 here.
#pragma once

#include "cuda/kernel.cuh"

namespace az::walkthrough {

using cuda::dynamic_shared;
using cuda::kWarp;
using cuda::thread_index;

inline constexpr int K = 5;      // taps of a kernel's side
inline constexpr int kTile = 5;  // outputs of a tile's side
inline constexpr int kStagedWarps = 8;

/// search [images, h, w, channels], kernel [images, K, K, channels], y [images, h - K + 1, w - K + 1, channels]
struct Shape {
  int images, h, w, channels;

  AZ_HD int h_out() const { return h - K + 1; }
  AZ_HD int w_out() const { return w - K + 1; }
  AZ_HD int outputs() const { return images * h_out() * w_out() * channels; }
  AZ_HD int x_at(int n, int row, int column, int c) const { return ((n * h + row) * w + column) * channels + c; }
  AZ_HD int tap_at(int n, int i, int j, int c) const { return ((n * K + i) * K + j) * channels + c; }
  AZ_HD int y_at(int n, int row, int column, int c) const {
    return ((n * h_out() + row) * w_out() + column) * channels + c;
  }
};

/// Step 1: a thread an output; neighbouring threads have neighbouring columns.
template <class T>
__global__ void by_columns_kernel(const T* search, const T* kernel, float* y, Shape s) {
  const int at = static_cast<int>(thread_index());
  if (at >= s.outputs()) return;
  const int column = at % s.w_out(), row = at / s.w_out() % s.h_out();
  const int plane = at / (s.w_out() * s.h_out()), channel = plane % s.channels, n = plane / s.channels;
  float sum = 0;
  for (int i = 0; i < K; ++i)
    for (int j = 0; j < K; ++j) {
      const float x = search[s.x_at(n, row + i, column + j, channel)];
      const float tap = kernel[s.tap_at(n, i, j, channel)];
      sum += x * tap;
    }
  y[s.y_at(n, row, column, channel)] = sum;
}

/// Step 2: the same; neighbouring threads have neighbouring channels.
template <class T>
__global__ void by_channels_kernel(const T* search, const T* kernel, float* y, Shape s) {
  const int at = static_cast<int>(thread_index());
  if (at >= s.outputs()) return;
  const int channel = at % s.channels, pixel = at / s.channels;
  const int column = pixel % s.w_out(), row = pixel / s.w_out() % s.h_out(), n = pixel / (s.w_out() * s.h_out());
  float sum = 0;
  for (int i = 0; i < K; ++i)
    for (int j = 0; j < K; ++j) {
      const float x = search[s.x_at(n, row + i, column + j, channel)];
      const float tap = kernel[s.tap_at(n, i, j, channel)];
      sum += x * tap;
    }
  y[at] = sum;
}

/// Step 3: a block an output row of 32 channels; it brings the K input rows to shared memory first.
/// Grid [channels / 32, h_out, images], block [32 channels, 8], dynamic shared memory [K, w, 32]
template <class T>
__global__ void staged_kernel(const T* search, const T* kernel, float* y, Shape s) {
  T* staged = dynamic_shared<T>();
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int channel = static_cast<int>(blockIdx.x) * kWarp + lane;
  const int row = static_cast<int>(blockIdx.y), n = static_cast<int>(blockIdx.z);
  for (int pixel = warp; pixel < K * s.w; pixel += kStagedWarps) {
    const float x = search[s.x_at(n, row + pixel / s.w, pixel % s.w, channel)];
    staged[pixel * kWarp + lane] = T(x);
  }
  __syncthreads();  // every row is there before anyone reads it
  for (int column = warp; column < s.w_out(); column += kStagedWarps) {
    float sum = 0;
    for (int i = 0; i < K; ++i)
      for (int j = 0; j < K; ++j) {
        const float x = staged[(i * s.w + column + j) * kWarp + lane];
        const float tap = kernel[s.tap_at(n, i, j, channel)];
        sum += x * tap;
      }
    y[s.y_at(n, row, column, channel)] = sum;
  }
}

/// Step 4: a thread 5 outputs of a row, one kernel row and the pixels that it meets in registers.
/// Grid [channels / 32, h_out, images], block [32 channels, strips of 5 columns]
template <class T>
__global__ void row_kernel(const T* search, const T* kernel, float* y, Shape s) {
  const int channel = static_cast<int>(blockIdx.x) * kWarp + static_cast<int>(threadIdx.x);
  const int row = static_cast<int>(blockIdx.y), n = static_cast<int>(blockIdx.z);
  const int column = static_cast<int>(threadIdx.y) * kTile;
  float sum[kTile] = {};
  for (int i = 0; i < K; ++i) {
    float tap[K], x[kTile + K - 1];
#pragma unroll
    for (int j = 0; j < K; ++j) tap[j] = kernel[s.tap_at(n, i, j, channel)];
#pragma unroll
    for (int q = 0; q < kTile + K - 1; ++q)
      x[q] = column + q < s.w ? float{search[s.x_at(n, row + i, column + q, channel)]} : 0.0F;
#pragma unroll
    for (int j = 0; j < K; ++j)
#pragma unroll
      for (int c = 0; c < kTile; ++c) sum[c] += x[c + j] * tap[j];
  }
#pragma unroll
  for (int c = 0; c < kTile; ++c)
    if (column + c < s.w_out()) y[s.y_at(n, row, column + c, channel)] = sum[c];
}

/// Step 5: a thread a tile of 5 x 5 outputs, all taps in registers, each input row loaded once.
/// Grid [channels / 32, row tiles, images], block [32 channels, strips of 5 columns]
template <class T>
__global__ void tile_kernel(const T* search, const T* kernel, float* y, Shape s) {
  const int channel = static_cast<int>(blockIdx.x) * kWarp + static_cast<int>(threadIdx.x);
  const int row = static_cast<int>(blockIdx.y) * kTile, n = static_cast<int>(blockIdx.z);
  const int column = static_cast<int>(threadIdx.y) * kTile;
  float tap[K][K], sum[kTile][kTile] = {};
#pragma unroll
  for (int i = 0; i < K; ++i)
#pragma unroll
    for (int j = 0; j < K; ++j) tap[i][j] = kernel[s.tap_at(n, i, j, channel)];
#pragma unroll
  for (int p = 0; p < kTile + K - 1; ++p) {  // input row `row + p`
    float x[kTile + K - 1];
#pragma unroll
    for (int q = 0; q < kTile + K - 1; ++q)
      x[q] = row + p < s.h && column + q < s.w ? float{search[s.x_at(n, row + p, column + q, channel)]} : 0.0F;
#pragma unroll
    for (int r = 0; r < kTile; ++r) {  // output row `row + r` meets it with kernel row p - r
      if (p - r < 0 || p - r >= K) continue;
#pragma unroll
      for (int j = 0; j < K; ++j)
#pragma unroll
        for (int c = 0; c < kTile; ++c) sum[r][c] += x[c + j] * tap[p - r][j];
    }
  }
#pragma unroll
  for (int r = 0; r < kTile; ++r)
#pragma unroll
    for (int c = 0; c < kTile; ++c)
      if (row + r < s.h_out() && column + c < s.w_out()) y[s.y_at(n, row + r, column + c, channel)] = sum[r][c];
}

}  // namespace az::walkthrough
