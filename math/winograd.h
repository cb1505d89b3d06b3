// Winograd's minimal filtering F(4x4, 3x3) and F(2x2, 3x3): a 4x4 tile of a 3x3 convolution by 36 products instead of
// 144, or a 2x2 tile by 16 instead of 36; and a 4x4 tile of one of stride 2 by 81.
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
//
// With stride 2 a row's outputs are the sum of two convolutions: its even inputs by taps 0 and 2, which is F(4, 2) with
// five points, and its odd inputs by tap 1, which has nothing to save. So the odd inputs are points as they are: nine
// points a row in place of twelve products, and the same form, of which those nine read six different weights.
#pragma once

#include <array>
#include <cstddef>

namespace az::math {

template <size_t kRows, size_t kColumns>
using WinogradMatrix = std::array<std::array<double, kColumns>, kRows>;

/// What follows from the points of kOut outputs of kTaps taps.
template <size_t kOut, size_t kTaps = 3>
struct WinogradPoints {
  static constexpr size_t kIn = kOut + kTaps - 1;
  std::array<double, kIn - 1> finite;

  /// G.
  constexpr WinogradMatrix<kIn, kTaps> weight_matrix() const {
    WinogradMatrix<kIn, kTaps> g{};
    for (size_t i = 0; i < finite.size(); ++i) {
      double slope = 1;  // P'(p): the product of the distances to the other points
      for (size_t j = 0; j < finite.size(); ++j) slope *= i == j ? 1 : finite[i] - finite[j];
      g[i][0] = 1 / slope;
      for (size_t t = 1; t < kTaps; ++t) g[i][t] = g[i][t - 1] * finite[i];
    }
    g[kIn - 1][kTaps - 1] = 1;
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
  static constexpr int kStride = 1;
  static constexpr int kOut = 4;                 ///< outputs of a tile, each way
  static constexpr int kIn = 6;                  ///< inputs and points of a tile, each way
  static constexpr int kProducts = kIn * kIn;    ///< products of a tile, an input and an output channel
  static constexpr int kWeights = kIn;           ///< different weights of a row's points
  static constexpr double kA = 0.625, kB = 1.5;  ///< the points beside 0 and infinity are +-kA and +-kB
  static constexpr double kSum = kA * kA + kB * kB;
  static constexpr double kProduct = kA * kA * kB * kB;
  static constexpr WinogradPoints<kOut> kPoints{{0, kA, -kA, kB, -kB}};

  /// The row of G whose weights a row's point has.
  static constexpr int weight_of(int point) { return point; }
  /// G.
  static constexpr auto weight_matrix() { return kPoints.weight_matrix(); }
  /// A.
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
  static constexpr int kStride = 1, kOut = 2, kIn = 4, kProducts = kIn * kIn, kWeights = kIn;
  static constexpr WinogradPoints<kOut> kPoints{{0, 1, -1}};

  static constexpr int weight_of(int point) { return point; }
  static constexpr auto weight_matrix() { return kPoints.weight_matrix(); }
  static constexpr auto output_matrix() { return kPoints.output_matrix(); }
  /// B^T.
  static constexpr WinogradMatrix<kIn, kIn> input_matrix() {
    return {{{-1, 0, 1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}}};
  }
};

/// Stride 2. Points at even places are F(4, 2)'s of the even inputs, those at odd places the odd inputs.
struct Winograd4x4Stride2 {
  static constexpr int kStride = 2, kOut = 4, kIn = 9, kProducts = kIn * kIn, kWeights = 6;
  static constexpr double kA = 0.5, kB = 1.25;  ///< the points beside infinity are +-kA and +-kB
  static constexpr double kSum = kA * kA + kB * kB;
  static constexpr double kProduct = kA * kA * kB * kB;
  static constexpr WinogradPoints<kOut, 2> kPoints{{kA, -kA, kB, -kB}};

  /// The last row of G is tap 1's.
  static constexpr int weight_of(int point) { return point % 2 == 0 ? point / 2 : kWeights - 1; }
  static constexpr WinogradMatrix<kWeights, 3> weight_matrix() {
    WinogradMatrix<kWeights, 3> g{};
    const auto even = kPoints.weight_matrix();
    for (size_t i = 0; i < even.size(); ++i) g[i] = {even[i][0], 0, even[i][1]};
    g[kWeights - 1] = {0, 1, 0};
    return g;
  }
  static constexpr WinogradMatrix<kIn, kOut> output_matrix() {
    WinogradMatrix<kIn, kOut> m{};
    const auto even = kPoints.output_matrix();
    for (size_t i = 0; i < even.size(); ++i) m[2 * i] = even[i];
    for (size_t i = 0; i < kOut; ++i) m[2 * i + 1][i] = 1;
    return m;
  }
  /// B^T.
  static constexpr WinogradMatrix<kIn, kIn> input_matrix() {
    constexpr double a = kA, b = kB;
    WinogradMatrix<kIn, kIn> m{{{-a * b * b, 0, -b * b, 0, a, 0, 1},
                                {},
                                {a * b * b, 0, -b * b, 0, -a, 0, 1},
                                {},
                                {-b * a * a, 0, -a * a, 0, b, 0, 1},
                                {},
                                {b * a * a, 0, -a * a, 0, -b, 0, 1},
                                {},
                                {kProduct, 0, 0, 0, -kSum, 0, 0, 0, 1}}};
    for (size_t i = 1; i < kIn; i += 2) m[i][i] = 1;
    return m;
  }
};

}  // namespace az::math
