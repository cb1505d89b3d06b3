// The weights' transform U = G g G^T, in double, and the layout that the products read: for each of the 36 or 16
// points, panels of 2 * lanes output channels (the last perhaps one vector wide), each [input channels][width].
#include <algorithm>
#include <cstring>

#include "cpu/parallel.h"
#include "cpu/winograd.h"
#include "cpu/winograd_kernels.h"
#include "tensor/dtype.h"
#include "tensor/simd.h"

// Compiled for every instruction set inside a function marked AZ_SIMD.
#define AZ_BODY inline __attribute__((always_inline))

namespace az::cpu {
namespace {

constexpr int64_t kRows = 8;        // input channels transformed together: their points stay in the first two caches
constexpr int64_t kMostWidth = 32;  // of a panel
constexpr int64_t kDoubles = 8;

/// Whether rows 1 and 2, and 3 and 4, are alike but for the sign in the middle, and the first and last have one entry.
template <size_t kIn>
constexpr bool paired(const math::WinogradMatrix<kIn, 3>& g) {
  for (size_t i = 1; i + 1 < kIn; i += 2)
    if (g[i][0] != g[i + 1][0] || g[i][1] != -g[i + 1][1] || g[i][2] != g[i + 1][2]) return false;
  return g[0][1] == 0 && g[0][2] == 0 && g[kIn - 1][0] == 0 && g[kIn - 1][1] == 0;
}
static_assert(paired(Winograd4x4::weight_matrix()) && paired(Winograd2x2::weight_matrix()));

typedef double Doubles __attribute__((vector_size(kDoubles * sizeof(double))));
typedef float Floats __attribute__((vector_size(kDoubles * sizeof(float))));

/// G on three vectors `stride` apart; its rows for a and -a have their even and odd parts in common.
template <class Tile>
AZ_BODY void transform_row(Tile /*tile*/, const Doubles* g, int stride, Doubles* u, int u_stride) {
  constexpr auto kWeights = Tile::weight_matrix();
  u[0] = kWeights[0][0] * g[0];
  for (int i = 1; i + 1 < Tile::kIn; i += 2) {
    const auto& row = kWeights[static_cast<size_t>(i)];
    const Doubles even = row[0] * g[0] + row[2] * g[2 * stride], odd = row[1] * g[stride];
    u[i * u_stride] = even + odd;
    u[(i + 1) * u_stride] = even - odd;
  }
  u[(Tile::kIn - 1) * u_stride] = g[2 * stride];
}
AZ_BODY void transform_row(Winograd4x4Stride2 /*tile*/, const Doubles* g, int stride, Doubles* u, int u_stride) {
  constexpr auto kWeights = Winograd4x4Stride2::weight_matrix();
  for (size_t i = 0; i + 2 < kWeights.size(); ++i)
    u[static_cast<int>(i) * u_stride] = kWeights[i][0] * g[0] + kWeights[i][2] * g[2 * stride];
  u[4 * u_stride] = g[2 * stride];
  u[5 * u_stride] = g[stride];
}

/// taps [9][count] to points [weights of a row squared][count]; count is a multiple of kDoubles.
template <class Tile>
AZ_BODY void transform_taps(const float* taps, int64_t count, float* points) {
  constexpr int kPoints = Tile::kWeights;
  for (int64_t at = 0; at < count; at += kDoubles) {
    Doubles t[3 * kPoints];
    for (int i = 0; i < 3; ++i) {
      Doubles g[3];
      for (int j = 0; j < 3; ++j) {
        Floats narrow;
        std::memcpy(&narrow, taps + (3 * j + i) * count + at, sizeof narrow);
        g[j] = __builtin_convertvector(narrow, Doubles);
      }
      transform_row(Tile(), g, 1, t + i, 3);
    }
    for (int i = 0; i < kPoints; ++i) {
      Doubles u[kPoints];
      transform_row(Tile(), t + 3 * i, 1, u, 1);
      for (int j = 0; j < kPoints; ++j) {
        const Floats narrow = __builtin_convertvector(u[j], Floats);
        std::memcpy(points + (kPoints * i + j) * count + at, &narrow, sizeof narrow);
      }
    }
  }
}
AZ_SIMD void transform(WinogradTile tile, const float* taps, int64_t count, float* points) {
  switch (tile) {
    case WinogradTile::two: return transform_taps<Winograd2x2>(taps, count, points);
    case WinogradTile::four: return transform_taps<Winograd4x4>(taps, count, points);
    case WinogradTile::four_stride2: return transform_taps<Winograd4x4Stride2>(taps, count, points);
  }
}

/// The weights w [k, 3, 3, c], and scale [k] or null.
struct Source {
  WinogradWeights which;
  int64_t c;
  const float* w;
  const float* scale;

  const float* at(int64_t k, int64_t tap, int64_t channel) const { return w + (k * 9 + tap) * c + channel; }
  float factor(int64_t k) const { return scale ? scale[k] : 1.0F; }
};

/// taps [9][rows][width] of input channels [row, row + rows) and output channels [column, column + filled); 0 beyond.
void gather(const Source& from, int64_t row, int64_t rows, int64_t column, int64_t filled, int64_t width, float* taps) {
  if (filled < width) std::fill_n(taps, 9 * rows * width, 0.0F);
  for (int64_t tap = 0; tap < 9; ++tap) {
    float* to = taps + tap * rows * width;
    if (from.which == WinogradWeights::forward) {
      for (int64_t o = 0; o < filled; ++o) {
        const float* w = from.at(column + o, tap, row);
        const float factor = from.factor(column + o);
        for (int64_t i = 0; i < rows; ++i) to[i * width + o] = w[i] * factor;
      }
    } else {
      for (int64_t i = 0; i < rows; ++i) {
        const float* w = from.at(row + i, 8 - tap, column);
        const float factor = from.factor(row + i);
        for (int64_t o = 0; o < filled; ++o) to[i * width + o] = w[o] * factor;
      }
    }
  }
}

/// To what bf16 holds.
AZ_SIMD void round_taps(float* taps, int64_t count) {
  for (int64_t i = 0; i < count; ++i) taps[i] = static_cast<float>(bf16(taps[i]));
}

}  // namespace

void winograd_pack(WinogradSimd simd, WinogradWeights which, int64_t c, int64_t k, const float* w, const float* scale,
                   float* packed, WinogradTile tile, bool rounded) {
  const int64_t lanes = simd == WinogradSimd::avx512 ? 16 : 8;
  const int matrices = with_tile(tile, []<class Tile>(Tile) { return Tile::kWeights * Tile::kWeights; });
  const Source from{which, c, w, scale};
  if (which == WinogradWeights::backward_data) std::swap(c, k);
  const int64_t columns = (k + lanes - 1) / lanes * lanes, panels = (columns + 2 * lanes - 1) / (2 * lanes);
  const int64_t chunks = (c + kRows - 1) / kRows;
  parallel_for(panels * chunks, 1, [&](int64_t begin, int64_t end) {
    alignas(64) float taps[9 * kRows * kMostWidth];
    alignas(64) float points[Winograd4x4::kProducts * kRows * kMostWidth];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i / chunks * 2 * lanes, width = std::min(2 * lanes, columns - column);
      const int64_t row = i % chunks * kRows, rows = std::min(kRows, c - row);
      gather(from, row, rows, column, std::min(width, k - column), width, taps);
      if (rounded) round_taps(taps, 9 * rows * width);
      transform(tile, taps, rows * width, points);
      for (int64_t p = 0; p < matrices; ++p)
        std::memcpy(packed + (p * columns + column) * c + row * width, points + p * rows * width,
                    static_cast<size_t>(rows * width) * sizeof(float));
    }
  });
}

}  // namespace az::cpu
