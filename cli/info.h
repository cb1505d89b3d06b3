// azimuth info
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `info`: the build, the machine, the libraries, and where each family of ops runs.
void add_info_command(CLI::App& app);

}  // namespace az::cli
