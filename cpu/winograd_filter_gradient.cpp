#include "cpu/winograd_filter_gradient.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "cpu/winograd_filter_gradient_kernels.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

constexpr int64_t kOut = Winograd4x4::kOut, kIn = Winograd4x4::kIn, kProducts = Winograd4x4::kProducts;
constexpr int64_t kTaps = 9;
constexpr int64_t kMostTiles = 112;  // of a chunk: a panel's inputs at all points are then half of a 1 MiB cache
constexpr int64_t kLine = 16;        // floats of a cache line

constexpr int64_t round_up(int64_t v, int64_t to) { return (v + to - 1) / to * to; }
/// At least v, and an odd number of cache lines: powers of two would fight for the same sets.
constexpr int64_t odd_lines(int64_t v) { return (round_up(v, kLine) / kLine | 1) * kLine; }

const FilterGradientKernels& kernels_of(WinogradSimd simd) {
  AZ_CHECK(simd != WinogradSimd::none, "conv2d backward: Winograd needs AVX2 with FMA");
  return simd == WinogradSimd::avx512 ? filter_gradient_avx512() : filter_gradient_avx2();
}

/// One call. Tiles are taken a chunk at a time, the same chunks whatever the threads are: all threads transform a
/// chunk, then multiply it, a thread taking blocks of output by input channels through all points, so that a block's 36
/// sums never leave its cache.
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
        width_(2 * kernels.lanes),
        panels_((shape.c + width_ - 1) / width_),
        groups_((shape.k + kernels.rows - 1) / kernels.rows),
        m_row_(odd_lines(shape.k)) {}

  void run(bool add, HugeBuffer& scratch) {
    const int64_t tiles = d_.n * across_ * down_, chunks = (tiles + kMostTiles - 1) / kMostTiles;
    const int64_t most = (tiles + chunks - 1) / chunks, threads = omp_get_max_threads();
    v_point_ = odd_lines(most * width_);
    m_point_ = odd_lines(most * m_row_);
    const int64_t zeros = odd_lines(std::max(d_.c, d_.k)), v_floats = panels_ * kProducts * v_point_,
                  m_floats = kProducts * m_point_, block_floats = kProducts * kernels_.rows * width_;
    float* memory = scratch.reserve(static_cast<size_t>(zeros + v_floats + m_floats + threads * block_floats));
    std::fill_n(memory, zeros, 0.0F);
    zeros_ = memory;
    v_ = memory + zeros;
    m_ = v_ + v_floats;
    float* blocks = m_ + m_floats;
    for (int64_t i = 0; i < chunks; ++i) {
      const int64_t first = tiles * i / chunks, count = tiles * (i + 1) / chunks - first;
      parallel_for(count, 1, [&](int64_t begin, int64_t end) { transforms(first, begin, end); });
      parallel_for(panels_ * groups_, 1, [&](int64_t begin, int64_t end) {
        products(count, begin, end, add || i > 0, blocks + omp_get_thread_num() * block_floats);
      });
    }
  }

 private:
  /// Transforms the inputs and the gradients of tiles first + [begin, end).
  void transforms(int64_t first, int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = (first + i) / across_, image = row / down_;
      const int64_t top = row % down_ * kOut, left = (first + i) % across_ * kOut;
      const auto pixel = [&](const float* map, int64_t y, int64_t x, int64_t channels) {
        const bool inside = y >= 0 && y < d_.h && x >= 0 && x < d_.w;
        return inside ? map + ((image * d_.h + y) * d_.w + x) * channels : zeros_;
      };
      const float *inputs[kProducts], *gradients[kOut * kOut];
      for (int64_t p = 0; p < kProducts; ++p) inputs[p] = pixel(x_, top - 1 + p / kIn, left - 1 + p % kIn, d_.c);
      for (int64_t p = 0; p < kOut * kOut; ++p) gradients[p] = pixel(dy_, top + p / kOut, left + p % kOut, d_.k);
      kernels_.input(inputs, d_.c, v_ + i * width_, kProducts * v_point_, v_point_);
      kernels_.gradient(gradients, d_.k, m_ + i * m_row_, m_point_);
    }
  }

  /// The blocks [begin, end) of dw, a panel's groups of rows after each other.
  void products(int64_t tiles, int64_t begin, int64_t end, bool add, float* block) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i / groups_, group = i % groups_;
      const int64_t column = panel * width_, columns = std::min(width_, d_.c - column);
      const int64_t row = d_.k * group / groups_, rows = d_.k * (group + 1) / groups_ - row;
      const auto product = kernels_.product[columns > kernels_.lanes ? 1 : 0][rows - 1];
      const float* v = v_ + panel * kProducts * v_point_;
      for (int64_t p = 0; p < kProducts; ++p)
        product(m_ + p * m_point_ + row, m_row_, v + p * v_point_, tiles, block + p * rows * width_);
      for (int64_t r = 0; r < rows; ++r)
        kernels_.filter(block + r * width_, rows * width_, columns, scale_ ? scale_[row + r] : 1.0F, add,
                        dw_ + (row + r) * kTaps * d_.c + column, d_.c);
    }
  }

  const FilterGradientKernels& kernels_;
  const ConvShape& d_;
  const float *x_, *dy_, *scale_;
  float* dw_;
  int64_t across_, down_;              // tiles of a map, each way
  int64_t width_, panels_, groups_;    // of input channels; groups of output channels
  int64_t m_row_;                      // floats of a tile's gradients at one point
  int64_t v_point_ = 0, m_point_ = 0;  // strides of points
  float *v_ = nullptr, *m_ = nullptr;  // [panel][point][tile][width], [point][tile][k]
  const float* zeros_ = nullptr;
};

}  // namespace

bool winograd_filter_gradient_fits(const ConvShape& d) { return winograd_fits(d) && d.dilation == 1; }

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
