#include "cpu/winograd.h"

#include <algorithm>
#include <array>
#include <vector>

#include "cpu/elementwise.h"
#include "cpu/parallel.h"
#include "cpu/winograd_kernels.h"
#include "tensor/dtype.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

constexpr int64_t kLine = 16;  // floats of a cache line

constexpr int64_t round_up(int64_t v, int64_t to) { return (v + to - 1) / to * to; }
/// At least v, and an odd number of cache lines: powers of two would fight for the same sets.
constexpr int64_t odd_lines(int64_t v) { return (round_up(v, kLine) / kLine | 1) * kLine; }

void check_simd(WinogradSimd simd) { AZ_CHECK(simd != WinogradSimd::none, "conv2d: Winograd needs AVX2 with FMA"); }

template <class Tile, class T>
const WinogradKernels<Tile, T>& kernels_of(WinogradSimd simd) {
  check_simd(simd);
  return simd == WinogradSimd::avx512 ? winograd_avx512<Tile, T>() : winograd_avx2<Tile, T>();
}

/// The points of a tile, those that have weights in common next to each other.
template <class Tile>
struct PointOrder {
  struct Entry {
    int point, weights;
    int first, alike;  ///< where those of the same weights begin, and how many they are
  };
  std::array<Entry, Tile::kProducts> entries{};

  constexpr PointOrder() {
    size_t count = 0;
    for (int weights = 0; weights < Tile::kWeights * Tile::kWeights; ++weights) {
      const size_t first = count;
      for (int p = 0; p < Tile::kProducts; ++p)
        if (Tile::weight_of(p / Tile::kIn) * Tile::kWeights + Tile::weight_of(p % Tile::kIn) == weights)
          entries[count++] = {p, weights, static_cast<int>(first), 0};
      for (size_t i = first; i < count; ++i) entries[i].alike = static_cast<int>(count - first);
    }
  }
};

/// One call: its maps as tiles, and where a block's transforms lie in scratch memory.
template <class Tile, class T>
class Convolution {
 public:
  static constexpr int64_t kOut = Tile::kOut, kIn = Tile::kIn, kProducts = Tile::kProducts;

  explicit Convolution(const WinogradCall<T>& call)
      : kernels_(kernels_of<Tile, T>(call.simd)),
        call_(call),
        columns_(round_up(call.k, kernels_.lanes)),
        panels_((columns_ + 2 * kernels_.lanes - 1) / (2 * kernels_.lanes)) {
    for (const ConvMaps<T>& maps : call.maps)
      for (int64_t i = 0; i < maps.n; ++i)
        for (int64_t y = 0; y < std::min(call.dilation, outputs_of(maps.h)); ++y)
          for (int64_t x = 0; x < std::min(call.dilation, outputs_of(maps.w)); ++x) add(maps, i, y, x);
  }

  /// Many tiles: each thread takes blocks of them. Few: all threads share one block, so that the weights,
  /// which then are the larger part, are read once.
  void run(HugeBuffer& scratch) {
    const int64_t tiles = tiles_, threads = omp_get_max_threads();
    if (tiles == 0) return;
    const bool share = tiles <= 2 * kBlock * threads;
    const int64_t parts = share ? 1 : threads;
    const int64_t blocks = share ? 1 : (tiles + kBlock * parts - 1) / (kBlock * parts);  // of a part
    lay_out((tiles + parts * blocks - 1) / (parts * blocks));
    const int64_t zeros = odd_lines(call_.c);
    float* memory = scratch.reserve(static_cast<size_t>(zeros + parts * block_floats()));
    std::fill_n(memory, zeros, 0.0F);
    zeros_ = reinterpret_cast<const T*>(memory);
    memory += zeros;
    if (share) {
      constexpr int64_t kTiles = 4;
      parallel_for_balanced(tiles, kTiles, [&](int64_t begin, int64_t end) { inputs(0, begin, end, memory); });
      parallel_for_balanced(kProducts * panels_, panels_,
                            [&](int64_t begin, int64_t end) { products(tiles, begin, end, memory); });
      parallel_for_balanced(tiles, kTiles, [&](int64_t begin, int64_t end) { outputs(0, begin, end, memory); });
      return;
    }
    parallel_for_balanced(parts * blocks, 1, [&](int64_t b, int64_t end) {
      float* own = memory + omp_get_thread_num() * block_floats();
      for (; b < end; ++b) {
        const int64_t first = tiles * b / (parts * blocks), rows = tiles * (b + 1) / (parts * blocks) - first;
        inputs(first, 0, rows, own);
        products(rows, 0, kProducts * panels_, own);
        outputs(first, 0, rows, own);
      }
    });
  }

 private:
  static constexpr int64_t kBlock = 28;  // tiles transformed together by one thread: two times 14 rows

  /// Every dilation-th row and column of an image's outputs, from row oy and column ox on.
  struct Phase {
    const T* x;
    const T *residual, *cut;
    T* y;
    int64_t h, w, oh, ow;  // of the whole image and its outputs
    int64_t oy, ox;
    int64_t across, first;  // tiles of a row; the number of the first tile
    std::optional<math::ExpScaled<float>> exp;
  };
  struct Place {
    const Phase* phase;
    int64_t y, x;  // of its first output
  };

  int64_t outputs_of(int64_t size) const {
    return (size + 2 * (call_.padding - call_.dilation) - 1) / Tile::kStride + 1;
  }

  void add(const ConvMaps<T>& maps, int64_t image, int64_t oy, int64_t ox) {
    const int64_t oh = outputs_of(maps.h), ow = outputs_of(maps.w), step = kOut * call_.dilation;
    const int64_t down = (oh - oy + step - 1) / step, across = (ow - ox + step - 1) / step;
    phases_.push_back({.x = maps.x + image * maps.h * maps.w * call_.c,
                       .residual = maps.residual ? maps.residual + image * oh * ow * call_.k : nullptr,
                       .cut = maps.cut ? maps.cut + image * oh * ow * call_.k : nullptr,
                       .y = maps.y + image * oh * ow * call_.k,
                       .h = maps.h,
                       .w = maps.w,
                       .oh = oh,
                       .ow = ow,
                       .oy = oy,
                       .ox = ox,
                       .across = across,
                       .first = tiles_,
                       .exp = maps.exp});
    tiles_ += down * across;
  }

  void lay_out(int64_t rows) {
    in_row_ = odd_lines(call_.c);
    out_row_ = odd_lines(columns_);
    in_point_ = odd_lines(rows * in_row_);
    out_point_ = odd_lines(rows * out_row_);
  }
  int64_t block_floats() const { return kProducts * (in_point_ + out_point_); }

  Place tile(int64_t i) const {
    const auto after = std::upper_bound(phases_.begin(), phases_.end(), i,
                                        [](int64_t at, const Phase& phase) { return at < phase.first; });
    const Phase& phase = *std::prev(after);
    const int64_t step = kOut * call_.dilation, at = i - phase.first;
    return {&phase, phase.oy + at / phase.across * step, phase.ox + at % phase.across * step};
  }

  /// Transforms the inputs of tiles first + [begin, end).
  void inputs(int64_t first, int64_t begin, int64_t end, float* memory) const {
    for (int64_t i = begin; i < end; ++i) {
      const Place t = tile(first + i);
      const T* pixels[kProducts];
      for (int64_t p = 0; p < kProducts; ++p) {
        const int64_t y = t.y * Tile::kStride - call_.padding + p / kIn * call_.dilation;
        const int64_t x = t.x * Tile::kStride - call_.padding + p % kIn * call_.dilation;
        const bool inside = y >= 0 && y < t.phase->h && x >= 0 && x < t.phase->w;
        pixels[p] = inside ? t.phase->x + (y * t.phase->w + x) * call_.c : zeros_;
      }
      kernels_.input(pixels, call_.c, memory + i * in_row_, in_point_);
    }
  }

  /// One point's product with one panel. Numbers next to each other read the same panel where that is possible.
  struct Unit {
    int64_t point, weights, column;
  };
  Unit unit(int64_t i) const {
    static constexpr PointOrder<Tile> kOrder;
    const auto entry = [](int64_t at) { return kOrder.entries[static_cast<size_t>(at)]; };
    const auto of = entry(i / panels_);
    const int64_t at = i - of.first * panels_;
    return {entry(of.first + at % of.alike).point, of.weights, at / of.alike * 2 * kernels_.lanes};
  }
  const float* panel(const Unit& u) const { return call_.packed + (u.weights * columns_ + u.column) * call_.c; }

  /// The units [begin, end) of the products, for a block of `rows` tiles.
  void products(int64_t rows, int64_t begin, int64_t end, float* memory) const {
    const int64_t groups = (rows + kernels_.rows - 1) / kernels_.rows;
    for (int64_t i = begin; i < end; ++i) {
      const Unit now = unit(i);
      const int64_t vectors = std::min<int64_t>(2 * kernels_.lanes, columns_ - now.column) / kernels_.lanes;
      const float* next = panel(i + 1 < end ? unit(i + 1) : now);
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t row = rows * g / groups, count = rows * (g + 1) / groups - row;
        kernels_.product[vectors - 1][count - 1](
            memory + now.point * in_point_ + row * in_row_, in_row_, panel(now), call_.c, next,
            out(memory) + now.point * out_point_ + row * out_row_ + now.column, out_row_);
      }
    }
  }

  /// Stores the outputs of tiles first + [begin, end).
  void outputs(int64_t first, int64_t begin, int64_t end, float* memory) const {
    WinogradOutput<Tile, T> to{};
    to.bias = call_.bias;
    to.relu = call_.relu;
    for (int64_t i = begin; i < end; ++i) {
      const Place t = tile(first + i);
      for (int64_t p = 0; p < kOut * kOut; ++p) {
        const int64_t y = t.y + p / kOut * call_.dilation, x = t.x + p % kOut * call_.dilation;
        const int64_t at = (y * t.phase->ow + x) * call_.k;
        const bool inside = y < t.phase->oh && x < t.phase->ow;
        to.y[p] = inside ? t.phase->y + at : nullptr;
        to.residual[p] = inside && t.phase->residual ? t.phase->residual + at : nullptr;
        to.cut[p] = inside && t.phase->cut ? t.phase->cut + at : nullptr;
      }
      kernels_.output(out(memory) + i * out_row_, out_point_, call_.k, to);
      if constexpr (std::is_same_v<T, float>)
        if (const auto& exp = t.phase->exp)
          for (float* y : to.y)
            if (y) exp_scaled(y, exp->s, exp->limit, y, call_.k);
    }
  }

  float* out(float* memory) const { return memory + kProducts * in_point_; }

  const WinogradKernels<Tile, T>& kernels_;
  const WinogradCall<T>& call_;
  int64_t columns_, panels_;  // output channels in whole vectors, and in panels
  std::vector<Phase> phases_;
  int64_t tiles_ = 0;
  int64_t in_row_ = 0, out_row_ = 0, in_point_ = 0, out_point_ = 0;  // strides of tiles and of points, in floats
  const T* zeros_ = nullptr;
};

/// 4x4 tiles of all images and phases of the dilation, up to rounding.
int64_t tiles_of(const ConvShape& d) {
  constexpr int64_t kOut = Winograd4x4::kOut;
  const auto along = [&](int64_t size) {
    const int64_t of_phase = (size + d.dilation - 1) / d.dilation;
    return std::min(d.dilation, size) * ((of_phase + kOut - 1) / kOut);
  };
  return d.n * along(d.oh()) * along(d.ow());
}

}  // namespace

WinogradSimd winograd_simd() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return WinogradSimd::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return WinogradSimd::avx2;
#endif
  return WinogradSimd::none;
}

bool winograd_fits(const ConvShape& d) {
  const bool strided = d.stride == 2 && d.dilation == 1;
  return d.r == 3 && d.s == 3 && (d.stride == 1 || strided) && (d.padding == d.dilation || d.padding == 0) &&
         d.groups == 1;
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
//
// Stride 2 saves 7/16 of the products and transforms more than twice as many points; one thread:
//
//   map, channels       direct   AVX-512   cold: direct, AVX-512   tiles
//   63x63   256->512    11.7     8.4       11.2, 8.4               64
//   50x84   512->512    28.2     17.8      28.9, 18.7              77
//   100x168 256->256    23.9     19.4      26.9, 24.5              273
//   25x42   256->256    1.48     1.64      1.52, 1.77              24
//   200x336 128->128    24.1     21.7      24.1, 27.7              1050
//   400x672 64->64      27.8     30.3      30.1, 40.7              4200
bool winograd_pays(const ConvShape& d) {
  if (d.stride == 2) {
    constexpr int64_t kFewestTiles = 64, kFewestChannels = 256;
    return d.c >= kFewestChannels && d.k >= kFewestChannels && tiles_of(d) >= kFewestTiles;
  }
  constexpr int64_t kFewestTiles = 16, kFewestChannels = 16;
  return d.c >= kFewestChannels && d.k >= kFewestChannels && tiles_of(d) >= kFewestTiles;
}

// Two threads, ms, F(4x4) and F(2x2), weights transformed before and in the third cache where they fit:
//   100x168 256->256  15.9, 23.4     25x42 512->512  4.6, 6.3     13x21 512->512  1.85, 1.82
// Where the weights are most of what is read, those of F(2x2), 4/9 as large, make up for its products.
WinogradTile winograd_best_tile(const ConvShape& d) {
  if (d.stride == 2) return WinogradTile::four_stride2;
  constexpr int64_t kLargeWeights = 512 * 512, kFewTiles = 32;
  return d.c * d.k >= kLargeWeights && tiles_of(d) <= kFewTiles ? WinogradTile::two : WinogradTile::four;
}

size_t winograd_packed_count(WinogradSimd simd, int64_t c, int64_t k, WinogradTile tile) {
  check_simd(simd);
  const int64_t lanes = simd == WinogradSimd::avx512 ? 16 : 8;
  return with_tile(tile, [&]<class Tile>(Tile) {
    return static_cast<size_t>(Tile::kWeights * Tile::kWeights * c * round_up(k, lanes));
  });
}

template <class T>
void winograd_forward(const WinogradCall<T>& call, HugeBuffer& scratch) {
  with_tile(call.tile, [&]<class Tile>(Tile) { Convolution<Tile, T>(call).run(scratch); });
}

template <class T>
void winograd_forward(WinogradSimd simd, const ConvShape& d, const T* x, const float* packed,
                      const ConvEpilogue& epilogue, HugeBuffer& scratch, T* y, WinogradTile tile) {
  AZ_CHECK(
      winograd_fits(d),
      "conv2d: Winograd is for 3x3 with stride 1, or 2 without dilation, padding equal to the dilation or 0, and no "
      "groups");
  AZ_CHECK((d.stride == 2) == (tile == WinogradTile::four_stride2), "conv2d: Winograd's tile is not of stride {}",
           d.stride);
  if (d.y_count() == 0) return;
  const ConvMaps<T> maps{
      d.n, d.h, d.w, x, static_cast<const T*>(epilogue.residual), y, static_cast<const T*>(epilogue.cut)};
  winograd_forward(WinogradCall<T>{.simd = simd,
                                   .tile = tile,
                                   .c = d.c,
                                   .k = d.k,
                                   .padding = d.padding,
                                   .dilation = d.dilation,
                                   .packed = packed,
                                   .bias = static_cast<const float*>(epilogue.bias),
                                   .relu = epilogue.relu,
                                   .maps = {&maps, 1}},
                   scratch);
}

#define AZ_INSTANTIATE(T)                                                                                     \
  template void winograd_forward(const WinogradCall<T>&, HugeBuffer&);                                        \
  template void winograd_forward(WinogradSimd, const ConvShape&, const T*, const float*, const ConvEpilogue&, \
                                 HugeBuffer&, T*, WinogradTile);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
