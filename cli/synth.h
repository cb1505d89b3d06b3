// azimuth synth
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `synth`: generated sets in real formats, `coco` here, videos in cli/synth_videos.h.
void add_synth_command(CLI::App& app);

}  // namespace az::cli
