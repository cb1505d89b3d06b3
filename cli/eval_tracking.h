// azimuth eval of a Siamese tracker: VOT, OTB, DAVIS and YouTube-VOS sets.
#pragma once

#include <string>
#include <vector>

#include "cli/polarmask.h"

namespace az::cli {

struct TrackEvalOptions {
  std::vector<std::string> weights;  ///< files, run folders, globs
  std::string data;                  ///< VOT folder or JSON, OTB folder, DAVIS or YouTube-VOS folder
  std::string dset;      ///< VOT2016, VOT2018, …, OTB, DAVIS2016, DAVIS2017, YouTube-VOS; empty: by what `data` holds
  std::string list;      ///< of a segmentation set: file with the videos' names
  std::string interval;  ///< of EAO
  std::string results;   ///< folder for the result files; empty: none
  std::string out;       ///< JSON file
  std::string show;      ///< folder for pictures of a VOT run; empty: none
  bool first_box = false;  ///< of a VOT set: score the first box that stays where it is, too
  bool json = false;
};

/// Runs and scores every one of the weights; the best is named. Errors: a set of no known kind, a sequence of its list
/// that is missing.
void eval_tracker(const ConfigArguments& config, const TrackEvalOptions& options);

}  // namespace az::cli
