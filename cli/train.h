// azimuth train
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `train CONFIG`.
void add_train_command(CLI::App& app);

}  // namespace az::cli
