// azimuth track
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `track CONFIG FRAMES --weights W`: one sequence from its first boxes or masks on; with --tune a grid of the
/// tracker's settings over a VOT set.
void add_track_command(CLI::App& app);

}  // namespace az::cli
