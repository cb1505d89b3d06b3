// azimuth eval and azimuth predict
#pragma once

namespace CLI {
class App;
}

namespace az::cli {

/// Adds `eval CONFIG --weights W`: a whole data set, scored.
void add_eval_command(CLI::App& app);
/// Adds `predict CONFIG --weights W IMAGE...`: masks, boxes and polygons as JSON, and overlay pictures.
void add_predict_command(CLI::App& app);

}  // namespace az::cli
