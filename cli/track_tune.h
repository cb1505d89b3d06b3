// azimuth track --tune
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/siammask/tracker.h"

namespace CLI {
class App;
}

namespace az::cli {

struct TuneOptions {
  std::string penalty_k, window_influence, lr;  ///< FROM:BELOW:STEP or one value; empty: the reference's
  std::string interval;                         ///< of EAO
  int lanes = 8;                                ///< settings side by side, on one reading of the frames
  std::string out;                              ///< folder for tune.json; empty: none
  bool json = false;
};
void add_tune_options(CLI::App& command, TuneOptions& options);

/// The numbers from `from` on that are below `below`. Error: text that is neither FROM:BELOW:STEP nor a number, more
/// than 1000 numbers.
std::vector<double> parse_range(const std::string& name, const std::string& text);

/// Runs every setting of the grid over the set at `path` and names the best one (eval::vot_better).
void tune_tracker(models::SiamMask& network, const models::SiamTrackOptions& base, const models::SiamStepOptions& how,
                  Device& device, const std::filesystem::path& path, const TuneOptions& options);

}  // namespace az::cli
