// What the commands share for SiamMask: configuration and network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/siammask/config.h"
#include "tensor/device.h"

namespace az::cli {

/// The value of `system` in a configuration file, "polarmask" where it has none. Error: a system that there is not, or
/// what the reader says.
std::string config_system(const std::string& file, const std::vector<std::string>& overrides);

/// A configuration with its text as it took effect.
struct LoadedSiamMask {
  models::SiamMaskConfig siammask;
  std::string text;
};
/// Reads FILE with --set overrides. Error: another system, or what the reader says.
LoadedSiamMask load_siammask_config(const std::string& file, const std::vector<std::string>& overrides = {});

/// The network of a configuration, initialised from its seed, or blank: convolution weights are left unset until a
/// load.
std::unique_ptr<models::SiamMask> make_network(const models::SiamMaskConfig& config, Device& device,
                                               bool blank = false);

}  // namespace az::cli
