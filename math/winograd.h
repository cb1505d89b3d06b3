// Winograd's minimal filtering F(4x4, 3x3): a 4x4 tile of a 3x3 convolution by 36 products instead of 144.
//
//   Y = A^T [ (G g G^T) * (B^T d B) ] A        d [6, 6] input tile, g [3, 3] weights, Y [4, 4], * element by element
//
// Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4. The matrices follow from
// five points p and infinity (Toom and Cook): with P(x) = x (x^2 - a^2) (x^2 - b^2), row p of B^T holds the
// coefficients of P(x) / (x - p), row p of G is (1, p, p^2) / P'(p), column p of A^T is (1, p, p^2, p^3); at infinity
// they are P's coefficients, (0, 0, 1) and (0, 0, 0, 1).
//
// The paper's points 0, +-1, +-2 cost four times direct convolution's rms error; 0, +-5/8, +-3/2 about twice (the table
// in docs/numerics.md), and every factor of B^T and A^T is still exact in f32.
#pragma once

#include <array>

namespace az::math {

struct Winograd4x4 {
  static constexpr int kOut = 4;                 ///< outputs of a tile, each way
  static constexpr int kIn = 6;                  ///< inputs of a tile, each way; a tile begins one before its outputs
  static constexpr int kProducts = kIn * kIn;    ///< products of a tile, an input and an output channel
  static constexpr double kA = 0.625, kB = 1.5;  ///< the points beside 0 and infinity are +-kA and +-kB
  static constexpr double kSum = kA * kA + kB * kB;
  static constexpr double kProduct = kA * kA * kB * kB;
  static constexpr std::array<double, 5> kPoints = {0, kA, -kA, kB, -kB};

  template <int kColumns>
  using Matrix = std::array<std::array<double, kColumns>, kIn>;

  /// G [6, 3].
  static constexpr Matrix<3> weight_matrix() {
    Matrix<3> g{};
    for (size_t i = 0; i < kPoints.size(); ++i) {
      double slope = 1;  // P'(p): the product of the distances to the other points
      for (size_t j = 0; j < kPoints.size(); ++j) slope *= i == j ? 1 : kPoints[i] - kPoints[j];
      g[i] = {1 / slope, kPoints[i] / slope, kPoints[i] * kPoints[i] / slope};
    }
    g[5] = {0, 0, 1};
    return g;
  }
  /// B^T [6, 6].
  static constexpr Matrix<6> input_matrix() {
    constexpr double a = kA, b = kB;
    return {{{kProduct, 0, -kSum, 0, 1, 0},
             {0, -a * b * b, -b * b, a, 1, 0},
             {0, a * b * b, -b * b, -a, 1, 0},
             {0, -b * a * a, -a * a, b, 1, 0},
             {0, b * a * a, -a * a, -b, 1, 0},
             {0, kProduct, 0, -kSum, 0, 1}}};
  }
  /// A [6, 4].
  static constexpr Matrix<4> output_matrix() {
    Matrix<4> m{};
    for (size_t i = 0; i < kPoints.size(); ++i) {
      const double p = kPoints[i];
      m[i] = {1, p, p * p, p * p * p};
    }
    m[5] = {0, 0, 0, 1};
    return m;
  }
};

}  // namespace az::math
