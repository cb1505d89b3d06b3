// azimuth metrics vot and otb
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `vot` and `otb` to `metrics`.
void add_tracking_metrics(CLI::App& metrics);

}  // namespace az::cli
