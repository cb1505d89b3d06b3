// Where `track` finds its objects in the first frame.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/polarmask.h"
#include "cpu/region.h"
#include "cpu/rle.h"
#include "eval/track_output.h"

namespace CLI {
class App;
}

namespace az::cli {

struct StartOptions {
  std::vector<std::string> boxes;  ///< --box: "x,y,w,h"
  std::string mask;                ///< --mask: an indexed PNG
  std::string result;              ///< --result: NAME.json of predict, or regions, a line a frame
  std::string init, names;         ///< --init: "CONFIG,WEIGHTS" of an image model; COCO file that names its classes
  double score = 0.3;              ///< of --init and --result: detections below it are left out
  bool all = false;                ///< of --init and --result: every detection, not the best one alone
};
/// --box, --mask, --result, --init, --all, --score, --names
void add_start_options(CLI::App& command, StartOptions& options);

/// An object to be tracked.
struct TrackStart {
  cpu::InitialBox box;
  std::optional<cpu::Rle> mask;                  ///< of the first frame; none where only a box is known
  std::optional<eval::TrackDetection> detected;  ///< none where a person said where the object is
};

/// The objects that the options name in the first frame of `frames`; without options those of the sequence's
/// groundtruth.txt. At most 255. `how` has the device and the type of numbers of an image model.
/// Errors: options that exclude each other, or lack another; no object at all; those of the files.
std::vector<TrackStart> find_starts(const StartOptions& options, const std::string& frames, const ConfigArguments& how,
                                    Device& device);

}  // namespace az::cli
