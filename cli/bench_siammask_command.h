// azimuth bench siammask-r50
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `siammask-r50 infer/train` to `bench`.
void add_siammask_bench(CLI::App& bench);

}  // namespace az::cli
