// A run's report page and its summary.
#pragma once

#include <string>

#include "eval/run_record.h"

namespace az::eval {

/// One HTML page without outside parts: AP tables, curves as inline SVG, the first pictures (at most 24 and 12 MB of
/// them, embedded), configuration, machine and seconds by stage. Parts without data are left out.
/// `machine` is a line such as that of `machine_line`. Error: a picture that cannot be read.
std::string report_html(const RunRecord& run, const std::string& machine);

/// The run in one JSON object: segm_AP, segm_AP50, bbox_AP, ray_ceiling_AP, share_of_ceiling, steps, images (null where
/// not known), machine, and `seconds` by stage with their `total`. Of a tracker in place of the figures: `trained`,
/// `untrained` and `first_box` with EAO, accuracy, robustness, lost_number and mask_iou each, and frames_per_s.
std::string summary_json(const RunRecord& run, const std::string& machine);

/// Processor, threads that this process may use, and memory of this machine.
std::string machine_line();

}  // namespace az::eval
