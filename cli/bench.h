// azimuth bench
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `bench`: a network's inference or training step, ray labels, the machine's peak.
void add_bench_command(CLI::App& app);

/// One JSON object on stdout, or a line a figure.
void print_figures(const nlohmann::ordered_json& figures, bool json);

}  // namespace az::cli
