#include "cli/info.h"

#include <fmt/format.h>
#include <omp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cpu/device.h"
#include "cuda/build.h"
#include "cuda/device.h"
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

/// What the build's CUDA device is, or why there is none.
template <bool kBuilt>
std::string cuda_line() {
  if constexpr (kBuilt) return cuda::description();
  return "not in this build";
}

template <bool kBuilt>
std::vector<std::string> device_names() {
  if constexpr (kBuilt)
    if (cuda::unavailable().empty()) return {"cpu", "cuda"};
  return {"cpu"};
}

void run(bool json) {
  const char* ours = cuda::kBuilt ? "cpu, cuda: own kernels" : "cpu: own kernels";
  const char* theirs = !cuda::kBuilt     ? "cpu: oneDNN f32"
                       : cuda::kEmulated ? "cpu: oneDNN f32; cuda: oneDNN in place of cuDNN, cuBLAS"
                                         : "cpu: oneDNN f32; cuda: cuDNN, cuBLAS";
  const nlohmann::ordered_json info{
      {"version", AZ_VERSION},
      {"compiler", __VERSION__},
      {"build", AZ_BUILD_TYPE},
      {"machine", eval::machine_line()},
      {"threads", omp_get_max_threads()},
      {"instruction_set", instruction_set()},
      {"onednn", cpu::dnn_version()},
      {"devices", device_names<cuda::kBuilt>()},
      {"cuda", cuda_line<cuda::kBuilt>()},
      {"ops", {{"conv, matmul", theirs}, {"all others", ours}}},
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
