// Which algorithm computes a convolution on the CPU: a rule of the shape alone, so that every run chooses alike.
#pragma once

#include <cstdint>

#include "math/conv.h"
#include "tensor/dtype.h"

namespace az::cpu {

using math::ConvShape;

enum class ConvPass : uint8_t { forward, backward_data, backward_weights };

enum class ConvAlgorithm : uint8_t {
  direct,             ///< oneDNN's
  matmul,             ///< 1x1 as a matrix product (cpu/pointwise.h)
  few_outputs,        ///< dot products over the input channels (cpu/few_outputs.h)
  winograd2,          ///< F(2x2, 3x3) (cpu/winograd.h)
  winograd4,          ///< F(4x4, 3x3)
  winograd4_stride2,  ///< the same of a convolution of stride 2
};

/// "direct", "matmul", "few outputs", "winograd 2x2", "winograd 4x4", "winograd 4x4/2".
const char* conv_algorithm_name(ConvAlgorithm algorithm);

/// The fastest on this kind of processor for maps of f32 or bf16. `winograd`: whether Winograd's are allowed
/// (CpuDevice::winograd, --exact). Maps of several sizes that share weights in one call all take the algorithm of the
/// largest.
ConvAlgorithm conv_algorithm(const ConvShape& shape, ConvPass pass, DType maps = DType::f32, bool winograd = true);

}  // namespace az::cpu
