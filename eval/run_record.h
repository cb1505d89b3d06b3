// What a training run left in its folder, for the report and the summary.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace az::eval {

using Figures = std::vector<std::pair<std::string, double>>;

/// A logged value over steps, in growing order of step.
struct Curve {
  std::string name;
  std::vector<double> steps;
  std::vector<double> values;
};

struct RunRecord {
  std::string name;                                          // the folder's
  std::vector<Curve> curves;                                 // of metrics.jsonl, in order of appearance
  Figures segm, bbox;                                        // the 12 COCO figures of results.json; absent: empty
  std::vector<std::pair<std::string, Figures>> by_category;  // category -> {segm, bbox} AP
  std::optional<double> ray_ceiling_AP;
  /// Figures of a tracker on a VOT set: "trained", and where they were scored "untrained" (untrained.json) and
  /// "first_box". EAO, accuracy, robustness, lost_number, mask_iou, frames, frames_per_s.
  std::vector<std::pair<std::string, Figures>> trackers;
  std::optional<double> images, eval_seconds;
  Figures stage_seconds;                        // of stages.tsv, a stage's lines added up
  std::vector<std::filesystem::path> pictures;  // pictures/*.jpg and *.png, by name
  std::string config;                           // config.toml's text
};

/// Reads RUN/metrics.jsonl, results.json, untrained.json, stages.tsv, config.toml and pictures/; a file that is absent
/// leaves its part empty. A step logged twice (a resumed run repeats some) counts once, the later time. The last line
/// of metrics.jsonl may be cut off, as a kill leaves it. Error: RUN is no folder; `FILE: what is wrong, where`.
RunRecord read_run(const std::filesystem::path& run);

/// The value of that name; none where absent.
std::optional<double> figure(const Figures& figures, const std::string& name);

}  // namespace az::eval
