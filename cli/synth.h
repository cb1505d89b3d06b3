// azimuth synth
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `synth coco`: a generated set of pictures in COCO's format.
void add_synth_command(CLI::App& app);

}  // namespace az::cli
