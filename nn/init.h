// Initial values. Each tensor draws from its own stream, keyed by the seed and its name, so that adding a layer does
// not change the others.
#pragma once

#include <string_view>

#include "tensor/tensor.h"

namespace az::nn {

/// How a convolution's weight starts.
enum class Init : uint8_t {
  he_normal,       ///< N(0, 2 / fan_out), fan_out = k * r * s, groups or not, as PyTorch  (He et al. 2015, eq. 14)
  xavier_uniform,  ///< U(+-sqrt(6 / (fan_in + fan_out)))               (Glorot and Bengio 2010, eq. 16)
  normal_001,      ///< N(0, 0.01)
  lecun_uniform,   ///< U(+-sqrt(3 / fan_in)), PyTorch's kaiming_uniform_ with a = 1
  uniform,         ///< U(+-1 / sqrt(fan_in)), PyTorch's default for a convolution
};

/// The seed and the device that a network is built with.
struct Builder {
  Device& device;
  uint64_t seed = 0;
  bool blank = false;  ///< convolution weights are left unset: for a network that is loaded next
};

/// A bias [k] drawn from U(+-1 / sqrt(fan_in)), PyTorch's default beside a weight of that fan-in.
Tensor init_bias(const Builder& b, std::string_view name, int64_t k, int64_t fan_in);

/// A convolution weight [k, r, s, c / groups], f32.
Tensor init_conv(const Builder& b, std::string_view name, Init init, int64_t k, int64_t r, int64_t c, int64_t groups);

}  // namespace az::nn
