#include "cli/profile_kernels.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

namespace az::cli {
namespace {

constexpr int kKernelTrack = 1000;

}  // namespace

std::string readable_kernel(const std::string& mangled) {
  if (!mangled.starts_with("_Z")) return mangled;  // "a" would be a type's name
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0 || !text) return mangled;
  std::string name = text.get();
  // The parameters begin at the last parenthesis outside of template arguments.
  int depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0 && i > 0 && name.compare(i, 21, "(anonymous namespace)") != 0) {
      name.resize(i);
      break;
    }
  }
  return name.starts_with("void ") ? name.substr(5) : name;
}

std::vector<KernelRow> kernel_rows(const std::vector<cuda::KernelRecord>& records, int64_t steps) {
  std::map<std::string, KernelRow> by_name;
  const double each = 1 / static_cast<double>(std::max<int64_t>(steps, 1));
  for (const cuda::KernelRecord& r : records) {
    KernelRow& row = by_name[r.name];
    row.calls += each;
    row.ms += each * static_cast<double>(r.end_ns - r.begin_ns) / 1e6;
    row.registers = std::max(row.registers, r.registers);
    row.shared_bytes = std::max(row.shared_bytes, r.shared_bytes);
  }
  std::vector<KernelRow> rows;
  for (auto& [name, row] : by_name) {
    row.name = readable_kernel(name);
    rows.push_back(row);
  }
  std::ranges::stable_sort(rows, [](const KernelRow& a, const KernelRow& b) { return a.ms > b.ms; });
  return rows;
}

std::string kernel_table(const std::vector<KernelRow>& rows, double step_ms) {
  std::string text =
      fmt::format("{:>7} {:>9} {:>7} {:>9} {:>9}  {}\n", "calls", "ms", "share", "registers", "shared KB", "kernel");
  for (const KernelRow& r : rows)
    text += fmt::format("{:>7.1f} {:>9.3f} {:>5.1f} % {:>9} {:>9.1f}  {}\n", r.calls, r.ms,
                        step_ms > 0 ? 100 * r.ms / step_ms : 0, r.registers, static_cast<double>(r.shared_bytes) / 1024,
                        r.name);
  return text;
}

void add_kernels(nlohmann::ordered_json& trace, const std::vector<cuda::KernelRecord>& records) {
  auto& events = trace["traceEvents"];
  events.push_back({{"name", "thread_name"},
                    {"ph", "M"},
                    {"pid", 1},
                    {"tid", kKernelTrack},
                    {"args", {{"name", "kernels (CUPTI)"}}}});
  for (const cuda::KernelRecord& r : records)
    events.push_back(
        {{"name", readable_kernel(r.name)},
         {"cat", "kernel"},
         {"ph", "X"},
         {"pid", 1},
         {"tid", kKernelTrack},
         {"ts", static_cast<double>(r.begin_ns) / 1000},
         {"dur", static_cast<double>(r.end_ns - r.begin_ns) / 1000},
         {"args", {{"grid", r.grid}, {"block", r.block}, {"registers", r.registers}, {"shared", r.shared_bytes}}}});
}

}  // namespace az::cli
