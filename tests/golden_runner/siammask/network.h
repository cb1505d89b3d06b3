// Networks and inputs of SiamMask's golden cases.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "models/siammask/model.h"

namespace az::golden::siammask {

/// The network that a case's `net` describes, filled.
std::unique_ptr<models::SiamMask> make_network(const nlohmann::json& net, Device& device);
/// Multiplies the named tensors, in f32.
void scale_weights(models::SiamMask& network, const nlohmann::json& factors);
/// An input by its name in `inputs`, as NHWC.
Tensor make_input(const nlohmann::json& inputs, const std::string& name, Device& device);

}  // namespace az::golden::siammask
