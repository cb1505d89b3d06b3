// The files that `azimuth profile` leaves.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/profile_table.h"

namespace az::cli {

/// What a profile is of, for titles and for its file.
struct ProfileSubject {
  std::string model, mode, dtype, device;
  std::string size;  ///< "1x800x1344": pictures, height and width of the padded input
  int threads = 0;
  int64_t steps = 0;
  double step_ms = 0;         ///< mean wall time with the profiler
  double plain_ms = 0;        ///< median wall time without it, of as many steps; with post-processing in both
  double peak_tensor_mb = 0;  ///< the most that tensors held

  std::string title() const;  ///< "polarmask-r50 infer 1x800x1344 f32, 2 threads"
};

/// ops.json: subject, peaks and rows (GroupBy::everything).
nlohmann::ordered_json ops_json(const ProfileSubject& subject, const Peaks& peaks, const std::vector<ProfileRow>& rows);
/// The rows of such a file. Error: FILE is not one, with what is wrong.
std::vector<ProfileRow> read_ops(const std::string& file);

/// Chrome's trace format ("JSON object format", complete events): one process, a track a thread and one for its data
/// work, steps around their spans. Times are microseconds. Opens in Perfetto and chrome://tracing.
nlohmann::ordered_json trace_json(const std::string& title, const std::vector<ProfiledStep>& steps,
                                  const LayerNames& layers);

}  // namespace az::cli
