// Networks and inputs of golden cases.
#pragma once

#include "nn/module.h"
#include "tests/support/golden.h"

namespace az::golden {

/// Fills every tensor by its state-dict name.
void fill_network(nn::Module& network, uint64_t seed);
/// A filled NCHW tensor as NHWC.
Tensor fill_maps(std::string_view name, const std::vector<int64_t>& nchw, uint64_t seed, double offset, double scale,
                 Device& device);
/// A tensor's values in PyTorch's layout: of four dimensions NHWC (or OHWI) becomes NCHW (OIHW).
std::vector<float> torch_values(const Tensor& t);

}  // namespace az::golden
