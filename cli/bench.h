// azimuth bench
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `bench`: a network's inference or training step, ray labels, the machine's peak.
void add_bench_command(CLI::App& app);

}  // namespace az::cli
