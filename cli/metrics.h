// azimuth metrics
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `metrics`: scores result files against a data set's annotations.
void add_metrics_command(CLI::App& app);

}  // namespace az::cli
