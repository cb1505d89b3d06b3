// azimuth import and azimuth export
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `import` (.pth or safetensors of others to ours) and `export` (ours to .pth).
void add_checkpoint_commands(CLI::App& app);

}  // namespace az::cli
