#include "cpu/winograd.h"

#include <algorithm>
#include <cstring>

#include "cpu/parallel.h"
#include "cpu/winograd_kernels.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

constexpr int64_t kOut = Winograd4x4::kOut, kIn = Winograd4x4::kIn, kProducts = Winograd4x4::kProducts;
constexpr int64_t kBlock = 28;  // tiles transformed together by one thread: two times 14 rows
constexpr int64_t kLine = 16;   // floats of a cache line

constexpr int64_t round_up(int64_t v, int64_t to) { return (v + to - 1) / to * to; }
/// At least v, and an odd number of cache lines: powers of two would fight for the same sets.
constexpr int64_t odd_lines(int64_t v) { return (round_up(v, kLine) / kLine | 1) * kLine; }

const WinogradKernels& kernels_of(WinogradSimd simd) {
  AZ_CHECK(simd != WinogradSimd::none, "conv2d: Winograd needs AVX2 with FMA");
  return simd == WinogradSimd::avx512 ? winograd_avx512() : winograd_avx2();
}

/// One call: its maps as tiles, and where a block's transforms lie in scratch memory.
class Convolution {
 public:
  Convolution(const WinogradKernels& kernels, const ConvShape& shape, const float* x, const float* packed,
              const ConvEpilogue& epilogue, float* y)
      : kernels_(kernels),
        d_(shape),
        x_(x),
        packed_(packed),
        epilogue_(epilogue),
        y_(y),
        across_((shape.w + kOut - 1) / kOut),
        down_((shape.h + kOut - 1) / kOut),
        columns_(round_up(shape.k, kernels.lanes)),
        panels_((columns_ + 2 * kernels.lanes - 1) / (2 * kernels.lanes)) {}

  /// Many tiles: every thread works through blocks of its own. Few: all threads share one block, so that the weights,
  /// which then are the larger part, are read once.
  void run(HugeBuffer& scratch) {
    const int64_t tiles = d_.n * across_ * down_, threads = omp_get_max_threads();
    const bool share = tiles <= 2 * kBlock * threads;
    const int64_t parts = share ? 1 : threads;
    const int64_t blocks = share ? 1 : (tiles + kBlock * parts - 1) / (kBlock * parts);  // of a part
    lay_out((tiles + parts * blocks - 1) / (parts * blocks));
    const int64_t zeros = odd_lines(d_.c);
    float* memory = scratch.reserve(static_cast<size_t>(zeros + parts * block_floats()));
    std::fill_n(memory, zeros, 0.0F);
    zeros_ = memory;
    memory += zeros;
    if (share) {
      parallel_for(tiles, 1, [&](int64_t begin, int64_t end) { inputs(0, begin, end, memory); });
      parallel_for(kProducts * panels_, 1, [&](int64_t begin, int64_t end) { products(tiles, begin, end, memory); });
      parallel_for(tiles, 1, [&](int64_t begin, int64_t end) { outputs(0, begin, end, memory); });
      return;
    }
    parallel_for(parts, 1, [&](int64_t part, int64_t end) {
      for (; part < end; ++part)
        for (int64_t b = part * blocks; b < (part + 1) * blocks; ++b) {
          const int64_t first = tiles * b / (parts * blocks), rows = tiles * (b + 1) / (parts * blocks) - first;
          float* own = memory + part * block_floats();
          inputs(first, 0, rows, own);
          products(rows, 0, kProducts * panels_, own);
          outputs(first, 0, rows, own);
        }
    });
  }

 private:
  struct Tile {
    int64_t image, y, x;  // of its first output
  };

  void lay_out(int64_t rows) {
    in_row_ = odd_lines(d_.c);
    out_row_ = odd_lines(columns_);
    in_point_ = odd_lines(rows * in_row_);
    out_point_ = odd_lines(rows * out_row_);
  }
  int64_t block_floats() const { return kProducts * (in_point_ + out_point_); }

  Tile tile(int64_t i) const {
    const int64_t row = i / across_;
    return {row / down_, row % down_ * kOut, i % across_ * kOut};
  }

  /// Transforms the inputs of tiles first + [begin, end).
  void inputs(int64_t first, int64_t begin, int64_t end, float* memory) const {
    for (int64_t i = begin; i < end; ++i) {
      const Tile t = tile(first + i);
      const float* image = x_ + t.image * d_.h * d_.w * d_.c;
      const float* pixels[kProducts];
      for (int64_t p = 0; p < kProducts; ++p) {
        const int64_t y = t.y - 1 + p / kIn, x = t.x - 1 + p % kIn;
        const bool inside = y >= 0 && y < d_.h && x >= 0 && x < d_.w;
        pixels[p] = inside ? image + (y * d_.w + x) * d_.c : zeros_;
      }
      kernels_.input(pixels, d_.c, memory + i * in_row_, in_point_);
    }
  }

  /// The panels [begin, end) of all points' products, for a block of `rows` tiles.
  void products(int64_t rows, int64_t begin, int64_t end, float* memory) const {
    const int64_t width = 2 * kernels_.lanes, groups = (rows + kernels_.rows - 1) / kernels_.rows;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t point = i / panels_, column = i % panels_ * width;
      const float* panel = packed_ + (point * columns_ + column) * d_.c;
      const int64_t vectors = std::min(width, columns_ - column) / kernels_.lanes;
      const float* next = i + 1 < end ? panel + vectors * kernels_.lanes * d_.c : panel;
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t row = rows * g / groups, count = rows * (g + 1) / groups - row;
        kernels_.product[vectors - 1][count - 1](memory + point * in_point_ + row * in_row_, in_row_, panel, d_.c, next,
                                                 out(memory) + point * out_point_ + row * out_row_ + column, out_row_);
      }
    }
  }

  /// Stores the outputs of tiles first + [begin, end).
  void outputs(int64_t first, int64_t begin, int64_t end, float* memory) const {
    const auto* residual = static_cast<const float*>(epilogue_.residual);
    WinogradOutput to{};
    to.bias = static_cast<const float*>(epilogue_.bias);
    to.relu = epilogue_.relu;
    for (int64_t i = begin; i < end; ++i) {
      const Tile t = tile(first + i);
      for (int64_t p = 0; p < kOut * kOut; ++p) {
        const int64_t y = t.y + p / kOut, x = t.x + p % kOut;
        const int64_t at = ((t.image * d_.h + y) * d_.w + x) * d_.k;
        const bool inside = y < d_.h && x < d_.w;
        to.y[p] = inside ? y_ + at : nullptr;
        to.residual[p] = inside && residual ? residual + at : nullptr;
      }
      kernels_.output(out(memory) + i * out_row_, out_point_, d_.k, to);
    }
  }

  float* out(float* memory) const { return memory + kProducts * in_point_; }

  const WinogradKernels& kernels_;
  const ConvShape& d_;
  const float* x_;
  const float* packed_;
  const ConvEpilogue& epilogue_;
  float* y_;
  int64_t across_, down_;                                            // tiles of a map, each way
  int64_t columns_, panels_;                                         // output channels in whole vectors, and in panels
  int64_t in_row_ = 0, out_row_ = 0, in_point_ = 0, out_point_ = 0;  // strides of tiles and of points, in floats
  const float* zeros_ = nullptr;
};

}  // namespace

WinogradSimd winograd_simd() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return WinogradSimd::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return WinogradSimd::avx2;
#endif
  return WinogradSimd::none;
}

bool winograd_fits(const ConvShape& d) {
  return d.r == 3 && d.s == 3 && d.stride == 1 && d.padding == 1 && d.dilation == 1 && d.groups == 1;
}

// One thread, EPYC (Zen 5), least of many runs on a shared machine, ms, weights transformed before; `cold`: all caches
// flushed before each run. `pack` is the transform of the weights, once a version.
//
//   map, channels       direct   AVX-512   AVX2   cold: direct, AVX-512   pack   tiles
//   100x168 256->256    87       29.3      57.9   -, 27.8                 1.6    1050
//   50x84   256->256    21.3     7.2       13.0   25.1, 7.2               1.6    273
//   25x42   256->256    5.2      1.75      3.4    5.6, 2.0                1.6    77
//   13x21   256->256    1.25     0.52      0.97   1.35, 0.63              1.5    24
//   7x11    256->256    0.37     0.18      0.26   0.45, 0.33              1.4    6
//   25x42   512->512    21.5     7.5       14.3   24.2, 8.8               6.5    77
//   100x168 128->128    21.2     7.9       13.5   25.6, 9.4               0.4    1050
//   200x336 64->64      21.0     11.1      17.2   25.9, 11.9              0.1    4200
//   200x336 32->32      5.4      4.1       5.1    5.7, 4.9                0.0    4200
//   200x336 16->64      5.8      4.0       5.7    6.6, 4.6                0.0    4200
//   200x336 64->16      5.7      5.3       5.9    11.5, 7.5               0.0    4200
//   100x168 256->36     16.3     8.6       11.6   30.3, 10.0              0.3    1050
//   100x168 256->4      6.3      5.6       5.4    6.9, 6.2                0.1    1050
//
// Below 16 channels most of each vector is padding. With fewer than 16 tiles the saving on weights that are kept is a
// fraction of a millisecond, and less than their transform where training changes them at every step.
bool winograd_pays(const ConvShape& d) {
  constexpr int64_t kFewestTiles = 16, kFewestChannels = 16;
  return d.c >= kFewestChannels && d.k >= kFewestChannels &&
         d.n * ((d.h + kOut - 1) / kOut) * ((d.w + kOut - 1) / kOut) >= kFewestTiles;
}

size_t winograd_packed_count(WinogradSimd simd, int64_t c, int64_t k) {
  return static_cast<size_t>(kProducts * c * round_up(k, kernels_of(simd).lanes));
}

void winograd_forward(WinogradSimd simd, const ConvShape& shape, const float* x, const float* packed,
                      const ConvEpilogue& epilogue, HugeBuffer& scratch, float* y) {
  AZ_CHECK(winograd_fits(shape), "conv2d: Winograd is for 3x3 with stride 1, padding 1, no dilation and no groups");
  if (shape.y_count() == 0) return;
  Convolution(kernels_of(simd), shape, x, packed, epilogue, y).run(scratch);
}

}  // namespace az::cpu
