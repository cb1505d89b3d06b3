#include "cli/info.h"

#include <fmt/format.h>
#include <omp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cpu/device.h"
#include "eval/report.h"

namespace az::cli {
namespace {

const char* instruction_set() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return "AVX-512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "AVX2";
#endif
  return "baseline";
}

void run(bool json) {
  const nlohmann::ordered_json info{
      {"version", AZ_VERSION},
      {"compiler", __VERSION__},
      {"build", AZ_BUILD_TYPE},
      {"machine", eval::machine_line()},
      {"threads", omp_get_max_threads()},
      {"instruction_set", instruction_set()},
      {"onednn", cpu::dnn_version()},
      {"devices", {"cpu"}},
      {"cuda", "not in this build"},
      {"ops", {{"conv, matmul", "cpu: oneDNN f32"}, {"all others", "cpu: own kernels"}}},
  };
  if (json) {
    fmt::print("{}\n", info.dump());
    return;
  }
  for (const auto& [key, value] : info.items())
    fmt::print("{:<16} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
}

}  // namespace

void add_info_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("info", "build, devices, libraries, and what each op runs on");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "one JSON object on stdout");
  command->callback([json] { run(*json); });
}

}  // namespace az::cli
