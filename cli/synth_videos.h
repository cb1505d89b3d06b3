// azimuth synth vot, azimuth synth youtube-vos
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `vot` and `youtube-vos` to `synth`: generated videos in those formats.
void add_synth_videos(CLI::App& synth);

}  // namespace az::cli
