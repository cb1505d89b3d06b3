// The weights' transform U = G g G^T, in double, and the layout that the products read: for each of the 36 points, panels
// of 2 * lanes output channels (the last perhaps one vector wide), each [input channels][width].
#include <algorithm>
#include <cstring>

#include "cpu/parallel.h"
#include "cpu/winograd.h"
#include "cpu/winograd_kernels.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

constexpr int64_t kRows = 16;     // input channels transformed together
constexpr int64_t kMostWidth = 32;  // of a panel
constexpr int64_t kDoubles = 8;
constexpr auto kWeights = Winograd4x4::weight_matrix();

typedef double Doubles __attribute__((vector_size(kDoubles * sizeof(double))));
typedef float Floats __attribute__((vector_size(kDoubles * sizeof(float))));

/// taps [9][count] to points [36][count]; count is a multiple of kDoubles.
AZ_SIMD void transform(const float* taps, int64_t count, float* points) {
  for (int64_t at = 0; at < count; at += kDoubles) {
    Doubles g[9], t[6][3];
    for (int i = 0; i < 9; ++i) {
      Floats narrow;
      std::memcpy(&narrow, taps + i * count + at, sizeof narrow);
      g[i] = __builtin_convertvector(narrow, Doubles);
    }
    for (size_t i = 0; i < 6; ++i)
      for (int j = 0; j < 3; ++j)
        t[i][j] = kWeights[i][0] * g[j] + kWeights[i][1] * g[3 + j] + kWeights[i][2] * g[6 + j];
    for (size_t p = 0; p < 36; ++p) {
      const auto& row = kWeights[p % 6];
      const Doubles u = row[0] * t[p / 6][0] + row[1] * t[p / 6][1] + row[2] * t[p / 6][2];
      const Floats narrow = __builtin_convertvector(u, Floats);
      std::memcpy(points + static_cast<int64_t>(p) * count + at, &narrow, sizeof narrow);
    }
  }
}

/// How the convolution's output channel o, input channel i and tap address w [k, 3, 3, c].
struct Source {
  WinogradWeights which;
  int64_t c;  // of the weights
  const float* w;
  const float* scale;

  float at(int64_t o, int64_t i, int64_t tap) const {
    if (which == WinogradWeights::forward) return scaled(o, tap, i);
    return scaled(i, 8 - tap, o);
  }

 private:
  float scaled(int64_t k, int64_t tap, int64_t channel) const {
    const float v = w[(k * 9 + tap) * c + channel];
    return scale ? v * scale[k] : v;
  }
};

/// taps [9][rows][width] of input channels [row, row + rows) and output channels [column, column + filled); 0 beyond.
void gather(const Source& from, int64_t row, int64_t rows, int64_t column, int64_t filled, int64_t width, float* taps) {
  std::fill_n(taps, 9 * rows * width, 0.0F);
  for (int64_t tap = 0; tap < 9; ++tap) {
    float* to = taps + tap * rows * width;
    if (from.which == WinogradWeights::forward) {  // in the order in which the weights lie
      for (int64_t o = 0; o < filled; ++o)
        for (int64_t i = 0; i < rows; ++i) to[i * width + o] = from.at(column + o, row + i, tap);
    } else {
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t o = 0; o < filled; ++o) to[i * width + o] = from.at(column + o, row + i, tap);
    }
  }
}

}  // namespace

void winograd_pack(WinogradSimd simd, WinogradWeights which, int64_t c, int64_t k, const float* w, const float* scale,
                   float* packed) {
  const int64_t lanes = (simd == WinogradSimd::avx512 ? winograd_avx512() : winograd_avx2()).lanes;
  const Source from{which, c, w, scale};
  if (which == WinogradWeights::backward_data) std::swap(c, k);
  const int64_t columns = (k + lanes - 1) / lanes * lanes, panels = (columns + 2 * lanes - 1) / (2 * lanes);
  const int64_t chunks = (c + kRows - 1) / kRows;
  parallel_for(panels * chunks, 1, [&](int64_t begin, int64_t end) {
    alignas(64) float taps[9 * kRows * kMostWidth];
    alignas(64) float points[36 * kRows * kMostWidth];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i / chunks * 2 * lanes, width = std::min(2 * lanes, columns - column);
      const int64_t row = i % chunks * kRows, rows = std::min(kRows, c - row);
      gather(from, row, rows, column, std::min(width, k - column), width, taps);
      transform(taps, rows * width, points);
      for (int64_t p = 0; p < 36; ++p)
        std::memcpy(packed + (p * columns + column) * c + row * width, points + p * rows * width,
                    static_cast<size_t>(rows * width) * sizeof(float));
    }
  });
}

}  // namespace az::cpu
