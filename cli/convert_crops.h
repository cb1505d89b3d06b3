// azimuth convert crop511, azimuth convert vot2json
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `crop511` and `vot2json` to `convert`: what trackers train on and are tested on.
void add_convert_crops(CLI::App& convert);

}  // namespace az::cli
