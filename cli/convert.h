// azimuth convert
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `convert`: people's own annotations to COCO's format here, trackers' data in cli/convert_crops.h.
void add_convert_command(CLI::App& app);

}  // namespace az::cli
