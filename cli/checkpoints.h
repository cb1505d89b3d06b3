// azimuth import
#pragma once

#include <cstdint>
#include <string>

#include "models/polarmask/model.h"

namespace CLI {
class App;
}

namespace az::cli {

/// The network that a name or a configuration file stands for; `classes` stands in where it leaves their number open.
models::PolarMaskOptions polarmask_options_of(const std::string& model, int64_t classes);

/// Adds `import` (.pth or safetensors of others to ours) and `export` (cli/export.h).
void add_checkpoint_commands(CLI::App& app);

}  // namespace az::cli
