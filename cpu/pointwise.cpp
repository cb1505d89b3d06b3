#include "cpu/pointwise.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "cpu/pointwise_kernels.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

int64_t lanes_of(WinogradSimd simd) {
  AZ_CHECK(simd != WinogradSimd::none, "conv2d: the 1x1 product needs AVX2 with FMA");
  return simd == WinogradSimd::avx512 ? 16 : 8;
}

int64_t padded(int64_t k, int64_t lanes) { return (k + lanes - 1) / lanes * lanes; }

/// Whose pixels lie `stride` apart.
enum class Strided : uint8_t { x, y };

/// One call: pixels in groups of as many as have their sums in registers, output channels in panels.
class Product {
 public:
  Product(const PointwiseKernels& kernels, const ConvShape& shape, Strided strided, const float* x, const float* packed,
          const ConvEpilogue& epilogue, float* y)
      : kernels_(kernels),
        d_(shape),
        x_step_(strided == Strided::x ? shape.stride : 1),
        y_step_(strided == Strided::y ? shape.stride : 1),
        x_(x),
        packed_(packed),
        epilogue_(epilogue),
        y_(y),
        // With stride 1 all pixels follow each other; else those of an output row do, `stride` apart.
        length_(shape.stride == 1 ? shape.n * shape.h * shape.w : shape.ow()),
        lines_(shape.stride == 1 ? 1 : shape.n * shape.oh()),
        groups_((length_ + kernels.rows - 1) / kernels.rows),
        columns_(padded(shape.k, kernels.lanes)),
        panels_((columns_ + 2 * kernels.lanes - 1) / (2 * kernels.lanes)) {}

  void run(HugeBuffer& scratch) const {
    const int64_t groups = lines_ * groups_;
    const int64_t threads = omp_get_max_threads();
    // Few pixels: the threads share out the weights.
    const bool few = groups < 2 * threads;
    // Weights that fit into the second cache stay there while pixels pass group by group; larger ones are read once for
    // as many pixels as fit.
    const bool small = d_.c * columns_ <= kSmall && d_.c <= kCopied;
    const int64_t most = few ? groups : small ? 1 : std::max<int64_t>(kBlock / (kernels_.rows * d_.c), 1);
    const bool copies = d_.c >= kCopied && !few;
    const int64_t copy = copies ? most * kernels_.rows * copy_stride() : 0;
    float* memory = scratch.reserve(static_cast<size_t>(copy * threads));
    if (few)
      return parallel_for(panels_, 1,
                          [&](int64_t begin, int64_t end) { block(0, groups, begin, end, false, nullptr); });
    // Pieces of whole blocks: about a sixteenth of a thread's part.
    const int64_t piece = std::max<int64_t>((groups / (16 * threads) + most - 1) / most, 1) * most;
    parallel_for_balanced(groups, piece, [&](int64_t begin, int64_t end) {
      float* own = copies ? memory + omp_get_thread_num() * copy : nullptr;
      const int64_t blocks = (end - begin + most - 1) / most;
      for (int64_t b = 0; b < blocks; ++b)
        block(begin + (end - begin) * b / blocks, begin + (end - begin) * (b + 1) / blocks, 0, panels_, small, own);
    });
  }

 private:
  static constexpr int64_t kSmall = 256 << 10;  // floats of weights that stay in a second cache of 1 MiB
  static constexpr int64_t kBlock = 128 << 10;  // floats of inputs that leave room for the weights passing through
  // From this many channels on the pixels of a group, a multiple of 2 KiB apart, would fight for the same sets of the
  // first cache: they are copied first.
  static constexpr int64_t kCopied = 512;

  int64_t copy_stride() const { return (d_.c + 15) / 16 * 16 + 16; }

  struct Pixels {
    int64_t first, count;  // of y, y_step_ apart
    const float* x;        // x_step_ apart
  };
  Pixels pixels(int64_t group) const {
    const int64_t line = group / groups_, part = group % groups_;
    const int64_t begin = length_ * part / groups_, end = length_ * (part + 1) / groups_;
    const int64_t dense = line * length_ + begin;
    const int64_t strided =
        lines_ == 1 ? begin : (line / d_.oh() * d_.h + line % d_.oh() * d_.stride) * d_.w + begin * d_.stride;
    return {y_step_ == 1 ? dense : strided, end - begin, x_ + (y_step_ == 1 ? strided : dense) * d_.c};
  }

  /// A group's residuals, from `column` on: a row of pointers.
  void residuals(const Pixels& at, int64_t column, const float** rows) const {
    const float* from = static_cast<const float*>(epilogue_.residual) + column;
    if (!epilogue_.coarse) {
      for (int64_t r = 0; r < at.count; ++r) rows[r] = from + (at.first + r * y_step_) * d_.k;
      return;
    }
    const int64_t width = d_.ow();
    int64_t line = at.first / width, j = at.first % width;  // lines of all images: their heights are even
    for (int64_t r = 0; r < at.count; ++r) {
      rows[r] = from + (line / 2 * (width / 2) + j / 2) * d_.k;
      if (++j == width) j = 0, ++line;
    }
  }

  void block(int64_t begin, int64_t end, int64_t first_panel, int64_t last_panel, bool small, float* copy) const {
    const int64_t width = 2 * kernels_.lanes;
    PointwiseTile tile{};
    tile.x_stride = x_step_ * d_.c;
    tile.c = d_.c;
    tile.y_stride = y_step_ * d_.k;
    tile.relu = epilogue_.relu;
    if (copy) {
      tile.x_stride = copy_stride();
      for (int64_t g = begin; g < end; ++g) {
        const Pixels at = pixels(g);
        for (int64_t r = 0; r < at.count; ++r)
          std::copy_n(at.x + r * x_step_ * d_.c, d_.c, copy + ((g - begin) * kernels_.rows + r) * copy_stride());
      }
    }
    const auto *residual = static_cast<const float*>(epilogue_.residual),
               *cut = static_cast<const float*>(epilogue_.cut);
    const float* rows[kPointwiseMostRows];
    tile.residual = residual ? rows : nullptr;
    for (int64_t p = first_panel; p < last_panel; ++p) {
      const int64_t column = p * width, vectors = std::min(width, columns_ - column) / kernels_.lanes;
      const int64_t last = d_.k - column - (vectors - 1) * kernels_.lanes;
      tile.last = std::min<int64_t>(last, kernels_.lanes);
      tile.panel = packed_ + column * d_.c;
      tile.bias = epilogue_.bias ? static_cast<const float*>(epilogue_.bias) + column : nullptr;
      const float* next_panel = p + 1 < last_panel ? tile.panel + vectors * kernels_.lanes * d_.c : packed_;
      for (int64_t g = begin; g < end; ++g) {
        const Pixels at = pixels(g);
        const int64_t to = at.first * d_.k + column;
        tile.x = copy ? copy + (g - begin) * kernels_.rows * copy_stride() : at.x;
        tile.y = y_ + to;
        if (residual) residuals(at, column, rows);
        tile.cut = cut ? cut + to : nullptr;
        // What is wanted next: the next panel, or of the next group's inputs a part with each panel.
        const int64_t x_floats = at.count * x_step_ * d_.c;
        tile.fetch = small ? at.x + x_floats + x_floats * p / panels_ : next_panel;
        tile.fetch_step = small ? x_floats / (panels_ * d_.c) : vectors * kernels_.lanes;
        kernels_.product[tile.last == kernels_.lanes][vectors - 1][at.count - 1](tile);
      }
    }
  }

  const PointwiseKernels& kernels_;
  const ConvShape& d_;
  int64_t x_step_, y_step_;  // pixels
  const float* x_;
  const float* packed_;
  const ConvEpilogue& epilogue_;
  float* y_;
  int64_t length_, lines_;  // output pixels that follow each other, and how often
  int64_t groups_;          // of a line
  int64_t columns_, panels_;
};

void check(const ConvShape& shape) {
  AZ_CHECK(pointwise_fits(shape), "conv2d: the 1x1 product is for 1x1 with no padding and no groups");
}

const PointwiseKernels& kernels_of(WinogradSimd simd) {
  return lanes_of(simd) == 16 ? pointwise_avx512() : pointwise_avx2();
}

}  // namespace

bool pointwise_fits(const ConvShape& d) { return d.r == 1 && d.s == 1 && d.padding == 0 && d.groups == 1; }

bool pointwise_pays(const ConvShape& d) { return pointwise_fits(d) && d.c >= 16 && d.k >= 16; }

size_t pointwise_packed_count(WinogradSimd simd, int64_t c, int64_t k) {
  return static_cast<size_t>(c * padded(k, lanes_of(simd)));
}

void pointwise_pack(WinogradSimd simd, WinogradWeights which, int64_t c, int64_t k, const float* w, const float* scale,
                    float* packed) {
  constexpr int64_t kLine = 16;  // floats of a cache line
  const bool forward = which == WinogradWeights::forward;
  const int64_t lanes = lanes_of(simd), inputs = forward ? c : k, outputs = forward ? k : c;
  const int64_t columns = padded(outputs, lanes), width = 2 * lanes;
  parallel_for((columns + width - 1) / width, 1, [&](int64_t begin, int64_t end) {
    for (int64_t column = begin * width; column < std::min(end * width, columns); column += width) {
      const int64_t stored = std::min(width, columns - column), filled = std::min(stored, outputs - column);
      float* to = packed + column * inputs;
      if (filled < stored) std::fill_n(to, stored * inputs, 0.0F);
      if (forward) {
        // A transposition, sixteen channels at a time: what is read and what is written stay in the first cache.
        for (int64_t from = 0; from < c; from += kLine)
          for (int64_t i = 0; i < filled; ++i) {
            const float factor = scale ? scale[column + i] : 1.0F;
            const float* row = w + (column + i) * c;
            for (int64_t j = from; j < std::min(from + kLine, c); ++j) to[j * stored + i] = row[j] * factor;
          }
      } else {
        for (int64_t i = 0; i < inputs; ++i) {
          const float factor = scale ? scale[i] : 1.0F;
          for (int64_t j = 0; j < filled; ++j) to[i * stored + j] = w[i * c + column + j] * factor;
        }
      }
    }
  });
}

void pointwise_forward(WinogradSimd simd, const ConvShape& shape, const float* x, const float* packed,
                       const ConvEpilogue& epilogue, HugeBuffer& scratch, float* y) {
  check(shape);
  AZ_CHECK(!epilogue.coarse || (shape.oh() % 2 == 0 && shape.ow() % 2 == 0),
           "conv2d: a coarse residual for [{}, {}] pixels, want even sides", shape.oh(), shape.ow());
  if (shape.y_count() == 0) return;
  Product(kernels_of(simd), shape, Strided::x, x, packed, epilogue, y).run(scratch);
}

void pointwise_spread(WinogradSimd simd, const ConvShape& shape, const float* x, const float* packed,
                      const ConvEpilogue& epilogue, HugeBuffer& scratch, float* y) {
  check(shape);
  AZ_CHECK(!epilogue.coarse, "conv2d: a coarse residual of a data gradient");
  if (shape.y_count() == 0) return;
  Product(kernels_of(simd), shape, Strided::y, x, packed, epilogue, y).run(scratch);
}

}  // namespace az::cpu
