#include "cpu/winograd_filter_gradient.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "cpu/winograd_filter_gradient_kernels.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

constexpr int64_t kOut = Winograd4x4::kOut, kIn = Winograd4x4::kIn, kProducts = Winograd4x4::kProducts;
constexpr int64_t kTaps = 9, kVectors = kFilterGradientVectors;
constexpr int64_t kMostTiles = 80;  // of a chunk: a panel's inputs at all points are then half of a 1 MiB cache
constexpr int64_t kLine = kFilterGradientLine;  // floats of a cache line

constexpr int64_t round_up(int64_t v, int64_t to) { return (v + to - 1) / to * to; }
/// At least v, and an odd number of cache lines: powers of two would fight for the same sets.
constexpr int64_t odd_lines(int64_t v) { return (round_up(v, kLine) / kLine | 1) * kLine; }

const FilterGradientKernels& kernels_of(WinogradSimd simd) {
  AZ_CHECK(simd != WinogradSimd::none, "conv2d backward: Winograd needs AVX2 with FMA");
  return simd == WinogradSimd::avx512 ? filter_gradient_avx512() : filter_gradient_avx2();
}

/// One call. Tiles are taken a chunk at a time, the same chunks whatever the threads are. Of a chunk, the gradients'
/// tiles are transformed first. Then each thread takes panels of input channels: it transforms their tiles, which stay
/// in its cache, and multiplies them with all output channels, a few at a time through all points.
class FilterGradient {
 public:
  FilterGradient(const FilterGradientKernels& kernels, const ConvShape& shape, const float* x, const float* dy,
                 const float* scale, float* dw)
      : kernels_(kernels),
        d_(shape),
        x_(x),
        dy_(dy),
        scale_(scale),
        dw_(dw),
        across_((shape.w + kOut - 1) / kOut),
        down_((shape.h + kOut - 1) / kOut),
        vectors_((shape.c + kernels.lanes - 1) / kernels.lanes),
        groups_((shape.k + kernels.rows - 1) / kernels.rows) {}

  void run(bool add, HugeBuffer& scratch) {
    const int64_t tiles = d_.n * across_ * down_, chunks = (tiles + kMostTiles - 1) / kMostTiles;
    const int64_t most = (tiles + chunks - 1) / chunks, threads = omp_get_max_threads();
    v_point_ = odd_lines(most * kernels_.lanes);
    m_point_ = odd_lines(most * kLine);
    // Panels for all threads; where there are not enough vectors, several threads share one's output channels.
    const int64_t panels = std::min(vectors_, round_up((vectors_ + kVectors - 1) / kVectors, threads));
    const int64_t parts = (threads + panels - 1) / panels;
    const int64_t zeros = odd_lines(std::max(d_.c, d_.k)), m_floats = (d_.k + kLine - 1) / kLine * kProducts * m_point_,
                  block_floats = odd_lines(kProducts * kernels_.rows * kVectors * kernels_.lanes),
                  own_floats = block_floats + kVectors * kProducts * v_point_;
    float* memory = scratch.reserve(static_cast<size_t>(zeros + m_floats + threads * own_floats));
    std::fill_n(memory, zeros, 0.0F);
    zeros_ = memory;
    m_ = memory + zeros;
    float* own = m_ + m_floats;
    for (int64_t i = 0; i < chunks; ++i) {
      const int64_t first = tiles * i / chunks, count = tiles * (i + 1) / chunks - first;
      parallel_for(count, 1, [&](int64_t begin, int64_t end) { gradients(first, begin, end); });
      parallel_for(panels * parts, 1, [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item) {
          const int64_t panel = item / parts, part = item % parts;
          multiply({first, count, vectors_ * panel / panels, vectors_ * (panel + 1) / panels, groups_ * part / parts,
                    groups_ * (part + 1) / parts, add || i > 0},
                   own + omp_get_thread_num() * own_floats, block_floats);
        }
      });
    }
  }

 private:
  /// Tiles [first, first + tiles), vectors of input channels and groups of output channels.
  struct Piece {
    int64_t first, tiles, vector, last_vector, group, last_group;
    bool add;
  };

  /// The pixels of a tile that begins at its outputs' origin plus `offset`, `side` each way.
  void find_pixels(int64_t tile, int64_t offset, int64_t side, const float* map, int64_t channels,
                   const float** pixels) const {
    const int64_t row = tile / across_, image = row / down_;
    const int64_t top = row % down_ * kOut + offset, left = tile % across_ * kOut + offset;
    for (int64_t p = 0; p < side * side; ++p) {
      const int64_t y = top + p / side, x = left + p % side;
      const bool inside = y >= 0 && y < d_.h && x >= 0 && x < d_.w;
      pixels[p] = inside ? map + ((image * d_.h + y) * d_.w + x) * channels : zeros_;
    }
  }

  /// Transforms the gradients of tiles first + [begin, end).
  void gradients(int64_t first, int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      const float* pixels[kOut * kOut];
      find_pixels(first + i, 0, kOut, dy_, d_.k, pixels);
      kernels_.gradient(pixels, d_.k, m_ + i * kLine, kProducts * m_point_, m_point_);
    }
  }

  /// `own`: memory for a block of sums, and after it for the panel's transformed inputs.
  void multiply(const Piece& piece, float* own, int64_t block_floats) const {
    const int64_t lanes = kernels_.lanes, vectors = piece.last_vector - piece.vector, column = piece.vector * lanes;
    const int64_t columns = std::min(vectors * lanes, d_.c - column), v_stride = kProducts * v_point_;
    float* v = own + block_floats;
    for (int64_t i = 0; i < piece.tiles; ++i) {
      const float* pixels[kProducts];
      find_pixels(piece.first + i, -1, kIn, x_, d_.c, pixels);
      for (int64_t j = 0; j < vectors; ++j)
        kernels_.input(pixels, column + j * lanes, columns - j * lanes, v + j * v_stride + i * lanes, v_point_);
    }
    const auto product = kernels_.product[vectors - 1];
    const int64_t width = vectors * lanes, point = kernels_.rows * width;
    for (int64_t g = piece.group; g < piece.last_group; ++g) {
      const int64_t row = g * kernels_.rows, rows = std::min<int64_t>(kernels_.rows, d_.k - row);
      const float* m = m_ + row / kLine * kProducts * m_point_ + row % kLine;
      float* dw = dw_ + row * kTaps * d_.c + column;
      for (int64_t i = 0; i < rows * kTaps; ++i)
        for (int64_t j = 0; j < columns; j += kLine) __builtin_prefetch(dw + i * d_.c + j, 1, 2);
      for (int64_t p = 0; p < kProducts; ++p)
        product(m + p * m_point_, v + p * v_point_, v_stride, piece.tiles, own + p * point);
      for (int64_t r = 0; r < rows; ++r)
        kernels_.filter(own + r * width, point, columns, scale_ ? scale_[row + r] : 1.0F, piece.add,
                        dw + r * kTaps * d_.c, d_.c);
    }
  }

  const FilterGradientKernels& kernels_;
  const ConvShape& d_;
  const float *x_, *dy_, *scale_;
  float* dw_;
  int64_t across_, down_;              // tiles of a map, each way
  int64_t vectors_, groups_;           // of input channels; of output channels
  int64_t v_point_ = 0, m_point_ = 0;  // strides of points: v [vector][point][tile][lanes], m [line][point][tile][16]
  float* m_ = nullptr;
  const float* zeros_ = nullptr;
};

}  // namespace

bool winograd_filter_gradient_fits(const ConvShape& d) {
  return winograd_fits(d) && d.stride == 1 && d.padding == 1 && d.dilation == 1;
}

bool winograd_filter_gradient_pays(const ConvShape& d) {
  constexpr int64_t kFewestTiles = 8, kFewestChannels = 16;
  return d.c >= kFewestChannels && d.k >= kFewestChannels &&
         d.n * ((d.h + kOut - 1) / kOut) * ((d.w + kOut - 1) / kOut) >= kFewestTiles;
}

void winograd_filter_gradient(WinogradSimd simd, const ConvShape& shape, const float* x, const float* dy,
                              const float* scale, bool add, HugeBuffer& scratch, float* dw) {
  AZ_CHECK(winograd_filter_gradient_fits(shape),
           "conv2d backward: Winograd is for 3x3 with stride 1, padding 1, no dilation and no groups");
  if (shape.y_count() == 0) {
    if (!add) std::fill_n(dw, shape.w_count(), 0.0F);
    return;
  }
  FilterGradient(kernels_of(simd), shape, x, dy, scale, dw).run(add, scratch);
}

}  // namespace az::cpu
