// Loops over 8-bit pictures [h, w, c]: normalise, bilinear and nearest resize, flip, crop, affine warp.
// Rules: math/image.h (OpenCV's fixed-point ones), the same as on the CPU.
//
//   normalise       thread = 4 floats of a padded row (1 where rows are not aligned); grid y = row
//   all others      thread = one aligned 4-byte word of an output row, so that any width is stored in words; bytes at
//                   the two ends of a row go alone; grid y = row
//   resize          besides, block = 128 words x 8 rows; its column and row taps are worked out once, in shared memory
//
// Bytes an element: normalise 1 in, 4 (16 bits: 2) out; others about 1 in (resize: up to 4, from cache) and 1 out.
// Flops: normalise 2, resize 12, warp 10 and the position's 4 64-bit products. Normalise, flip and crop are bound by
// memory, resize and warp by integer arithmetic.
// Deterministic: every byte is written once, by integer arithmetic or one rounding in the CPU's order.
//
// Ladder (not measured: no GPU yet)
//   v1  thread = pixel: its channels are 3 byte stores 3 apart, and the taps are doubles in every thread.
//   v2  thread = byte: coalesced, but a store instruction moves 32 bytes a warp.
//   v3  this.
#include "cuda/image.h"

#include <type_traits>

#include "cuda/kernel.cuh"
#include "math/image.h"

namespace az::cuda {
namespace {

constexpr int kThreads = 256;
constexpr unsigned kMostRows = 65535;  // of a grid; kernels stride over more

/// Calls launch_with(integral constant) for the number of channels.
template <class Launch>
void for_channels(int channels, const Launch& launch_with) {
  switch (channels) {
    case 1: return launch_with(std::integral_constant<int, 1>{});
    case 2: return launch_with(std::integral_constant<int, 2>{});
    case 3: return launch_with(std::integral_constant<int, 3>{});
    default: return launch_with(std::integral_constant<int, 4>{});
  }
}

/// Blocks over a picture's rows of words: x words, y rows. No block where there is nothing to write.
dim3 word_grid(int row_bytes, int rows, int words_per_block, int rows_per_block) {
  if (row_bytes <= 0 || rows <= 0) return {0, 1, 1};
  const int words = (row_bytes + 3) / 4 + 1;  // one more: a row may begin inside a word
  return {blocks_for(words, words_per_block), blocks_for(rows, rows_per_block, kMostRows), 1};
}

/// Writes bytes at(i) of a row that lie in its aligned word `word`, 0 being the word that holds the row's first byte.
template <class At>
__device__ void write_word(uint8_t* row, int row_bytes, int word, const At& at) {
  const int first = 4 * word - static_cast<int>(reinterpret_cast<uintptr_t>(row) % 4);
  if (first >= 0 && first + 4 <= row_bytes) {
    *reinterpret_cast<uint32_t*>(row + first) = uint32_t{at(first)} | uint32_t{at(first + 1)} << 8 |
                                                uint32_t{at(first + 2)} << 16 | uint32_t{at(first + 3)} << 24;
    return;
  }
  for (int i = max(first, 0); i < min(first + 4, row_bytes); ++i) row[i] = at(i);
}

__device__ int word_index() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

/// The byte of a pixel's channel: i = x * kChannels + c in a row of the target.
template <int kChannels>
struct Place {
  int x, c;
  __device__ explicit Place(int i) : x(i / kChannels), c(i - i / kChannels * kChannels) {}
};

/// `count` values that are stored together.
template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T values[kCount];
};

struct Statistics {
  float mean[3], std[3];
};

template <class T, int kCount>
__global__ void __launch_bounds__(kThreads)
    normalise_kernel(const uint8_t* pixels, int width, int height, Statistics statistics, bool bgr, bool flip,
                     int padded_width, int padded_height, T* out) {
  const int first = word_index() * kCount;
  const int count = 3 * padded_width;
  if (first >= count) return;
  for (int y = static_cast<int>(blockIdx.y); y < padded_height; y += static_cast<int>(gridDim.y)) {
    const uint8_t* row = pixels + int64_t{y} * width * 3;
    Pack<T, kCount> pack;
    for (int i = 0; i < kCount; ++i) {
      const Place<3> at(first + i);
      const int x = flip ? width - 1 - at.x : at.x;
      const int c = bgr ? 2 - at.c : at.c;
      const bool inside = y < height && at.x < width;
      pack.values[i] = T(inside ? math::normalised(row[x * 3 + c], statistics.mean[at.c], statistics.std[at.c]) : 0.0F);
    }
    *reinterpret_cast<Pack<T, kCount>*>(out + int64_t{y} * count + first) = pack;
  }
}

constexpr int kResizeWords = 128;
constexpr int kResizeRows = 8;
constexpr int kResizeTaps = 4 * kResizeWords + 4;  // pixels that a block's words may touch, at one channel

struct ResizeSizes {
  int old_width, old_height, width, height;
  double step_x, step_y;
};

template <int kChannels>
__global__ void __launch_bounds__(kResizeWords)
    picture_bilinear_kernel(const uint8_t* pixels, ResizeSizes sizes, uint8_t* out) {
  AZ_SHARED(columns, math::BilinearTap[kResizeTaps]);
  AZ_SHARED(rows, math::BilinearTap[kResizeRows]);
  const int thread = static_cast<int>(threadIdx.x);
  const int row_bytes = sizes.width * kChannels;
  const int first_word = static_cast<int>(blockIdx.x) * kResizeWords;
  // A row's word begins up to 3 bytes before 4 * word.
  const int first = max(4 * first_word - 3, 0) / kChannels;
  const int end = min((4 * (first_word + kResizeWords) - 1) / kChannels + 1, sizes.width);
  for (int x = first + thread; x < end; x += kResizeWords)
    columns[x - first] = math::bilinear_tap_at(x, sizes.step_x, sizes.old_width);
  const int stride = static_cast<int>(gridDim.y) * kResizeRows;
  for (int top = static_cast<int>(blockIdx.y) * kResizeRows; top < sizes.height; top += stride) {
    __syncthreads();  // rows of the round before are read until here
    if (thread < kResizeRows) rows[thread] = math::bilinear_tap_at(top + thread, sizes.step_y, sizes.old_height);
    __syncthreads();
    for (int r = 0; r < min(kResizeRows, sizes.height - top); ++r) {
      const math::BilinearTap down = rows[r];
      const uint8_t* upper = pixels + int64_t{down.first} * sizes.old_width * kChannels;
      const uint8_t* lower = pixels + int64_t{down.second} * sizes.old_width * kChannels;
      write_word(out + int64_t{top + r} * row_bytes, row_bytes, first_word + thread, [&](int i) {
        const Place<kChannels> at(i);
        const math::BilinearTap tap = columns[at.x - first];
        const int a = tap.first * kChannels + at.c, b = tap.second * kChannels + at.c;
        return math::resize_column(math::resize_row(upper[a], upper[b], tap), math::resize_row(lower[a], lower[b], tap),
                                   static_cast<int16_t>(down.weight_first), static_cast<int16_t>(down.weight_second));
      });
    }
  }
}

struct NearestSizes {
  cpu::Rect source_part, part;
  int old_width, old_height;
  double step_x, step_y;
};

__global__ void __launch_bounds__(kThreads)
    picture_nearest_kernel(const uint8_t* source, NearestSizes sizes, uint8_t* out) {
  const cpu::Rect& from = sizes.source_part;
  const cpu::Rect& part = sizes.part;
  for (int y = static_cast<int>(blockIdx.y); y < part.height; y += static_cast<int>(gridDim.y)) {
    const int source_y = math::nearest_source_at(part.y + y, sizes.step_y, sizes.old_height) - from.y;
    const bool row_inside = source_y >= 0 && source_y < from.height;
    const uint8_t* row = source + int64_t{source_y} * from.width;
    write_word(out + int64_t{y} * part.width, part.width, word_index(), [&](int x) {
      const int source_x = math::nearest_source_at(part.x + x, sizes.step_x, sizes.old_width) - from.x;
      return row_inside && source_x >= 0 && source_x < from.width ? row[source_x] : uint8_t{0};
    });
  }
}

template <int kChannels>
__global__ void __launch_bounds__(kThreads)
    flip_horizontal_kernel(const uint8_t* pixels, int width, int height, uint8_t* out) {
  const int row_bytes = width * kChannels;
  for (int y = static_cast<int>(blockIdx.y); y < height; y += static_cast<int>(gridDim.y)) {
    const uint8_t* row = pixels + int64_t{y} * row_bytes;
    write_word(out + int64_t{y} * row_bytes, row_bytes, word_index(), [&](int i) {
      const Place<kChannels> at(i);
      return row[(width - 1 - at.x) * kChannels + at.c];
    });
  }
}

/// The value of up to 4 channels outside the picture, in one word.
struct Fill {
  uint32_t values;
  __device__ uint8_t operator[](int c) const { return static_cast<uint8_t>(values >> 8 * c); }
};

template <int kChannels>
__global__ void __launch_bounds__(kThreads)
    padded_crop_kernel(const uint8_t* pixels, int source_width, int source_height, int left, int top, int width,
                       int height, Fill fill, uint8_t* out) {
  const int row_bytes = width * kChannels;
  for (int y = static_cast<int>(blockIdx.y); y < height; y += static_cast<int>(gridDim.y)) {
    const int64_t source_y = int64_t{y} + top;  // 64 bits, for `left` and `top` may be any int
    const bool row_inside = source_y >= 0 && source_y < source_height;
    const uint8_t* row = pixels + source_y * source_width * kChannels;
    write_word(out + int64_t{y} * row_bytes, row_bytes, word_index(), [&](int i) {
      const Place<kChannels> at(i);
      const int64_t x = int64_t{at.x} + left;
      return row_inside && x >= 0 && x < source_width ? row[x * kChannels + at.c] : fill[at.c];
    });
  }
}

struct WarpMatrix {
  int64_t entries[6];
};

template <int kChannels>
__global__ void __launch_bounds__(kThreads)
    warp_affine_kernel(const uint8_t* pixels, int source_width, int source_height, WarpMatrix matrix, int width,
                       int height, Fill fill, uint8_t* out) {
  const int row_bytes = width * kChannels;
  for (int y = static_cast<int>(blockIdx.y); y < height; y += static_cast<int>(gridDim.y)) {
    write_word(out + int64_t{y} * row_bytes, row_bytes, word_index(), [&](int i) {
      const Place<kChannels> at(i);
      const int64_t sx = math::warp_position(matrix.entries, at.x, y);
      const int64_t sy = math::warp_position(matrix.entries + 3, at.x, y);
      const int64_t left = sx >> math::kWarpFractionBits, top = sy >> math::kWarpFractionBits;
      const auto pixel = [&](int64_t px, int64_t py) -> int {
        const bool inside = px >= 0 && py >= 0 && px < source_width && py < source_height;
        return inside ? pixels[(py * source_width + px) * kChannels + at.c] : fill[at.c];
      };
      return math::warp_blend(pixel(left, top), pixel(left + 1, top), pixel(left, top + 1), pixel(left + 1, top + 1),
                              static_cast<int>(sx & (math::kWarpOne - 1)), static_cast<int>(sy & (math::kWarpOne - 1)));
    });
  }
}

Fill fill_of(const std::array<uint8_t, 4>& fill) {
  return {uint32_t{fill[0]} | uint32_t{fill[1]} << 8 | uint32_t{fill[2]} << 16 | uint32_t{fill[3]} << 24};
}

}  // namespace

template <class T>
void normalise(Stream& stream, const cpu::ImageView& source, const cpu::Normalise& how, int padded_width,
               int padded_height, T* out) {
  if (padded_width <= 0 || padded_height <= 0) return;
  Statistics statistics{};
  for (size_t c = 0; c < 3; ++c) statistics.mean[c] = how.mean[c], statistics.std[c] = how.std[c];
  const int count = 3 * padded_width;
  const bool aligned = count % 4 == 0 && reinterpret_cast<uintptr_t>(out) % (4 * sizeof(T)) == 0;
  const dim3 grid(blocks_for(aligned ? count / 4 : count, kThreads), blocks_for(padded_height, 1, kMostRows));
  launch(stream, "normalise_kernel", grid, kThreads, 0, aligned ? normalise_kernel<T, 4> : normalise_kernel<T, 1>,
         source.pixels, source.width, source.height, statistics, how.bgr, how.flip, padded_width, padded_height, out);
}

template void normalise<float>(Stream&, const cpu::ImageView&, const cpu::Normalise&, int, int, float*);
template void normalise<bf16>(Stream&, const cpu::ImageView&, const cpu::Normalise&, int, int, bf16*);
template void normalise<f16>(Stream&, const cpu::ImageView&, const cpu::Normalise&, int, int, f16*);

void resize_bilinear(Stream& stream, const cpu::ImageView& source, int width, int height, uint8_t* out) {
  const ResizeSizes sizes{source.width,
                          source.height,
                          width,
                          height,
                          math::source_step(source.width, width),
                          math::source_step(source.height, height)};
  for_channels(source.channels, [&](auto channels) {
    launch(stream, "picture_bilinear_kernel", word_grid(width * channels(), height, kResizeWords, kResizeRows),
           kResizeWords, 0, picture_bilinear_kernel<channels()>, source.pixels, sizes, out);
  });
}

void resize_nearest(Stream& stream, const uint8_t* source, const cpu::Rect& source_part,
                    const cpu::NearestResize& sizes, const cpu::Rect& part, uint8_t* out) {
  const NearestSizes kernel_sizes{source_part,
                                  part,
                                  sizes.old_width,
                                  sizes.old_height,
                                  math::source_step(sizes.old_width, sizes.new_width),
                                  math::source_step(sizes.old_height, sizes.new_height)};
  launch(stream, "picture_nearest_kernel", word_grid(part.width, part.height, kThreads, 1), kThreads, 0,
         picture_nearest_kernel, source, kernel_sizes, out);
}

void flip_horizontal(Stream& stream, const cpu::ImageView& source, uint8_t* out) {
  for_channels(source.channels, [&](auto channels) {
    launch(stream, "flip_horizontal_kernel", word_grid(source.width * channels(), source.height, kThreads, 1), kThreads,
           0, flip_horizontal_kernel<channels()>, source.pixels, source.width, source.height, out);
  });
}

void padded_crop(Stream& stream, const cpu::ImageView& source, int left, int top, int width, int height,
                 const std::array<uint8_t, 4>& fill, uint8_t* out) {
  for_channels(source.channels, [&](auto channels) {
    launch(stream, "padded_crop_kernel", word_grid(width * channels(), height, kThreads, 1), kThreads, 0,
           padded_crop_kernel<channels()>, source.pixels, source.width, source.height, left, top, width, height,
           fill_of(fill), out);
  });
}

void warp_affine(Stream& stream, const cpu::ImageView& source, const cpu::Affine& to_source, int width, int height,
                 const std::array<uint8_t, 4>& fill, uint8_t* out) {
  WarpMatrix matrix{};
  for (size_t i = 0; i < to_source.size(); ++i) matrix.entries[i] = math::warp_entry(to_source[i]);
  for_channels(source.channels, [&](auto channels) {
    launch(stream, "warp_affine_kernel", word_grid(width * channels(), height, kThreads, 1), kThreads, 0,
           warp_affine_kernel<channels()>, source.pixels, source.width, source.height, matrix, width, height,
           fill_of(fill), out);
  });
}

}  // namespace az::cuda
