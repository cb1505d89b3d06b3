// azimuth export
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `export`: weights as .pth, networks as ONNX graphs.
void add_export_command(CLI::App& app);

}  // namespace az::cli
