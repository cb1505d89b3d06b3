// azimuth convert
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `convert`: people's own annotations to COCO's format.
void add_convert_command(CLI::App& app);

}  // namespace az::cli
