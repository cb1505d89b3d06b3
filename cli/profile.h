// azimuth profile
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `profile`: takes a network's inference or training step apart, op by op.
void add_profile_command(CLI::App& app);

}  // namespace az::cli
