// Winograd's minimal filtering F(4x4, 3x3) and F(2x2, 3x3): a 4x4 tile of a 3x3 convolution by 36 products instead of
// 144, or a 2x2 tile by 16 instead of 36.
//
//   Y = A^T [ (G g G^T) * (B^T d B) ] A        d input tile, g [3, 3] weights, Y output tile, * element by element
//
// Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4. The matrices follow from
// finite points p and infinity (Toom and Cook): with P(x) the product of the (x - p), row p of B^T holds the
// coefficients of P(x) / (x - p), row p of G is (1, p, p^2) / P'(p), column p of A^T is (1, p, p^2, ...); at infinity
// they are P's coefficients, (0, 0, 1) and (0, ..., 0, 1).
//
// For F(4x4) the paper's points 0, +-1, +-2 cost four times direct convolution's rms error; 0, +-5/8, +-3/2 about twice
// (the table in docs/numerics.md), and every factor of B^T and A^T is still exact in f32. F(2x2) has 0, +-1: sums only.
#pragma once

#include <array>
#include <cstddef>

namespace az::math {

template <size_t kRows, size_t kColumns>
using WinogradMatrix = std::array<std::array<double, kColumns>, kRows>;

/// What follows from the points of a tile of kOut x kOut outputs.
template <size_t kOut>
struct WinogradPoints {
  static constexpr size_t kIn = kOut + 2;
  std::array<double, kIn - 1> finite;

  /// G.
  constexpr WinogradMatrix<kIn, 3> weight_matrix() const {
    WinogradMatrix<kIn, 3> g{};
    for (size_t i = 0; i < finite.size(); ++i) {
      double slope = 1;  // P'(p): the product of the distances to the other points
      for (size_t j = 0; j < finite.size(); ++j) slope *= i == j ? 1 : finite[i] - finite[j];
      g[i] = {1 / slope, finite[i] / slope, finite[i] * finite[i] / slope};
    }
    g[kIn - 1] = {0, 0, 1};
    return g;
  }
  /// A.
  constexpr WinogradMatrix<kIn, kOut> output_matrix() const {
    WinogradMatrix<kIn, kOut> m{};
    for (size_t i = 0; i < finite.size(); ++i) {
      m[i][0] = 1;
      for (size_t j = 1; j < kOut; ++j) m[i][j] = m[i][j - 1] * finite[i];
    }
    m[kIn - 1][kOut - 1] = 1;
    return m;
  }
};

struct Winograd4x4 {
  static constexpr int kOut = 4;                 ///< outputs of a tile, each way
  static constexpr int kIn = 6;                  ///< inputs of a tile, each way; a tile begins one before its outputs
  static constexpr int kProducts = kIn * kIn;    ///< products of a tile, an input and an output channel
  static constexpr double kA = 0.625, kB = 1.5;  ///< the points beside 0 and infinity are +-kA and +-kB
  static constexpr double kSum = kA * kA + kB * kB;
  static constexpr double kProduct = kA * kA * kB * kB;
  static constexpr WinogradPoints<kOut> kPoints{{0, kA, -kA, kB, -kB}};

  static constexpr auto weight_matrix() { return kPoints.weight_matrix(); }
  static constexpr auto output_matrix() { return kPoints.output_matrix(); }
  /// B^T.
  static constexpr WinogradMatrix<kIn, kIn> input_matrix() {
    constexpr double a = kA, b = kB;
    return {{{kProduct, 0, -kSum, 0, 1, 0},
             {0, -a * b * b, -b * b, a, 1, 0},
             {0, a * b * b, -b * b, -a, 1, 0},
             {0, -b * a * a, -a * a, b, 1, 0},
             {0, b * a * a, -a * a, -b, 1, 0},
             {0, kProduct, 0, -kSum, 0, 1}}};
  }
};

struct Winograd2x2 {
  static constexpr int kOut = 2, kIn = 4, kProducts = kIn * kIn;
  static constexpr WinogradPoints<kOut> kPoints{{0, 1, -1}};

  static constexpr auto weight_matrix() { return kPoints.weight_matrix(); }
  static constexpr auto output_matrix() { return kPoints.output_matrix(); }
  /// B^T.
  static constexpr WinogradMatrix<kIn, kIn> input_matrix() {
    return {{{-1, 0, 1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}}};
  }
};

}  // namespace az::math
