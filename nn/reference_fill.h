// Values that two programs compute for themselves from a tensor's name, so that no file of weights stands between an
// implementation and its peer: the rule of tests/golden/fill.py, which PyTorch peers import.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "nn/module.h"

namespace az::nn {

/// offset + scale * r of each element of a tensor in PyTorch's layout, row-major, r in [-1, 1) a hash of name, seed and
/// index. Offset and scale default to the rule for a parameter of that name.
std::vector<float> reference_fill(std::string_view name, std::span<const int64_t> shape, uint64_t seed = 0,
                                  std::optional<double> offset = {}, std::optional<double> scale = {});
/// Every f32 tensor of a network, by its state-dict name.
void reference_fill(Module& network, uint64_t seed);

}  // namespace az::nn
