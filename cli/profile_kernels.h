// A GPU's kernels as rows of a profile and as a track of its trace.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cuda/kernel_records.h"

namespace az::cli {

/// Launches of one kernel, a step's mean.
struct KernelRow {
  std::string name;  ///< readable, without its arguments
  double calls = 0, ms = 0;
  int registers = 0;         ///< of a thread, the most
  int64_t shared_bytes = 0;  ///< of a block, the most
};

/// The function's name of a mangled one, with template arguments, without parameters; other text as it is.
std::string readable_kernel(const std::string& mangled);

/// By name, longest first.
std::vector<KernelRow> kernel_rows(const std::vector<cuda::KernelRecord>& records, int64_t steps);

/// As a table for a terminal; `step_ms` is the step that shares are of.
std::string kernel_table(const std::vector<KernelRow>& rows, double step_ms);

/// Adds the kernels as a track of their own to what trace_json returned.
void add_kernels(nlohmann::ordered_json& trace, const std::vector<cuda::KernelRecord>& records);

}  // namespace az::cli
