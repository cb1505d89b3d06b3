#include "cpu/conv_algorithm.h"

#include <utility>

#include "cpu/conv_bf16.h"
#include "cpu/few_outputs.h"
#include "cpu/pointwise.h"
#include "cpu/winograd_filter_gradient.h"

namespace az::cpu {
namespace {

ConvAlgorithm winograd_tile(const ConvShape& d) {
  switch (winograd_best_tile(d)) {
    case WinogradTile::two: return ConvAlgorithm::winograd2;
    case WinogradTile::four: return ConvAlgorithm::winograd4;
    case WinogradTile::four_stride2: break;
  }
  return ConvAlgorithm::winograd4_stride2;
}

}  // namespace

const char* conv_algorithm_name(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::direct: return "direct";
    case ConvAlgorithm::matmul: return "matmul";
    case ConvAlgorithm::few_outputs: return "few outputs";
    case ConvAlgorithm::winograd2: return "winograd 2x2";
    case ConvAlgorithm::winograd4: return "winograd 4x4";
    case ConvAlgorithm::winograd4_stride2: return "winograd 4x4/2";
  }
  return "?";
}

ConvAlgorithm conv_algorithm(const ConvShape& shape, ConvPass pass, DType maps, bool winograd) {
  if (winograd_simd() == WinogradSimd::none) return ConvAlgorithm::direct;
  if (pass == ConvPass::backward_weights) {
    const bool pays =
        winograd && maps == DType::f32 && winograd_filter_gradient_fits(shape) && winograd_filter_gradient_pays(shape);
    return pays ? ConvAlgorithm::winograd4 : ConvAlgorithm::direct;
  }
  ConvShape d = shape;
  if (pass == ConvPass::backward_data) {
    std::swap(d.c, d.k);  // a convolution of dy with rotated weights
    // A strided 1x1 product writes every stride-th pixel.
    if (shape.stride != 1)
      return maps == DType::f32 && pointwise_pays(d) ? ConvAlgorithm::matmul : ConvAlgorithm::direct;
    if (shape.oh() != shape.h) return ConvAlgorithm::direct;
  }
  if (winograd && winograd_fits(d)) {
    if (maps == DType::bf16) return winograd_pays_bf16(d) ? ConvAlgorithm::winograd4 : ConvAlgorithm::direct;
    if (winograd_pays(d)) return winograd_tile(d);
  }
  if (maps == DType::bf16) return ConvAlgorithm::direct;
  if (pointwise_pays(d)) return ConvAlgorithm::matmul;
  if (pass == ConvPass::forward && few_outputs_pays(d)) return ConvAlgorithm::few_outputs;
  return ConvAlgorithm::direct;
}

}  // namespace az::cpu
