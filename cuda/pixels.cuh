// The mapping of kernels that write an NHWC map pixel by pixel. Included by .cu files.
//
//   block (x, y)   x: 256 consecutive packs of a row, a pack being N channels of a pixel;  y: rows, a grid apart
//   thread         one pack; neighbours write neighbouring 16 bytes
#pragma once

#include "cuda/divider.cuh"
#include "cuda/kernel.cuh"

namespace az::cuda {

inline constexpr int kPixelThreads = 256;

/// The map that is written. images * height and width * channels are below 2^31.
struct Pixels {
  int32_t rows, width, channels;  ///< rows = images * height
  Divider height, packs;          ///< packs: of a pixel

  Pixels(int64_t images, int64_t height_, int64_t width_, int64_t channels_, int pack)
      : rows(static_cast<int32_t>(images * height_)),
        width(static_cast<int32_t>(width_)),
        channels(static_cast<int32_t>(channels_)),
        height(height_),
        packs(channels_ / pack) {}

  AZ_HD int64_t row_elements() const { return int64_t{width} * channels; }
  /// Index of an element; `row` counts through all images.
  AZ_HD int64_t at(int32_t row, int32_t column, int32_t channel) const {
    return row * row_elements() + column * channels + channel;
  }
  dim3 grid(int pack) const {
    return {blocks_for(row_elements() / pack, kPixelThreads), blocks_for(rows, 1, 65535), 1};
  }
};

/// Calls f(row, column, first channel) for each of this thread's packs; `row` counts through all images.
template <int N, class F>
__device__ inline void for_each_pack(const Pixels& map, const F& f) {
  const auto item = static_cast<int32_t>(thread_index());
  const int32_t column = item / map.packs;
  if (column >= map.width) return;
  const int32_t channel = (item - column * map.packs) * N;
  for (auto row = static_cast<int32_t>(blockIdx.y); row < map.rows; row += static_cast<int32_t>(gridDim.y))
    f(row, column, channel);
}

}  // namespace az::cuda
