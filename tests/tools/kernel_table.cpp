// Which checks each CUDA kernel has been through: reads the kernels' names from the sources, and what ran from the
// files that AZ_SIMT_COVERAGE left (cuda/emulator/coverage.h).
//   tool_kernel_table SOURCE COVERAGE...
// Prints a table; ends with 1 if a kernel did not run, or ran in fewer than four thread orders.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr int kOrders = 4;  // forward, reverse and two random ones

struct Kernel {
  std::string file;
  bool launched_by_name = false;  // launch("NAME", ...) stands somewhere
  int64_t launches = 0;
  int orders = 0;
  bool asan = false, gradient = false;
};

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The kernels of cuda/*.cu and *.cuh.
std::map<std::string, Kernel> kernels_of(const fs::path& source) {
  static const std::regex definition(R"(__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\()");
  std::map<std::string, Kernel> kernels;
  std::string all;
  for (const auto& entry : fs::directory_iterator(source / "cuda")) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".cu" && extension != ".cuh") continue;
    const std::string text = text_of(entry.path());
    all += text;
    for (std::sregex_iterator at(text.begin(), text.end(), definition), end; at != end; ++at)
      kernels[(*at)[1]].file = "cuda/" + entry.path().filename().string();
  }
  for (auto& [name, kernel] : kernels) kernel.launched_by_name = all.find('"' + name + '"') != std::string::npos;
  return kernels;
}

void add_coverage(const fs::path& folder, std::map<std::string, Kernel>& kernels) {
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::istringstream lines(text_of(entry.path()));
    std::string name, asan, gradient;
    int64_t launches = 0;
    int orders = 0;
    while (lines >> name >> launches >> orders >> asan >> gradient) {
      const auto found = kernels.find(name);
      if (found == kernels.end()) continue;  // a test's own kernel
      Kernel& kernel = found->second;
      kernel.launches += launches;
      kernel.orders = std::max(kernel.orders, orders);
      kernel.asan = kernel.asan || asan == "asan";
      kernel.gradient = kernel.gradient || gradient == "gradient";
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    fmt::print(stderr, "usage: tool_kernel_table SOURCE COVERAGE...\n");
    return 2;
  }
  auto kernels = kernels_of(arguments[1]);
  for (int i = 2; i < count; ++i) add_coverage(arguments[i], kernels);
  fmt::print("{:<34} {:<26} {:>8}  {:>6}  {:<8} {}\n", "kernel", "file", "launches", "orders", "gradient", "asan");
  std::vector<std::string> faults;
  for (const auto& [name, k] : kernels) {
    fmt::print("{:<34} {:<26} {:>8}  {:>6}  {:<8} {}\n", name, k.file, k.launches, k.orders, k.gradient ? "yes" : "-",
               k.asan ? "yes" : "-");
    if (!k.launched_by_name)
      faults.push_back(name + ": no launch(..., \"" + name + "\", ...): the name must be the kernel's");
    if (k.launches == 0) {
      faults.push_back(name + ": no test runs it");
    } else if (k.orders < kOrders) {
      faults.push_back(fmt::format("{}: compared in {} thread orders, want {}", name, k.orders, kOrders));
    }
  }
  for (const std::string& fault : faults) fmt::print("error: {}\n", fault);
  fmt::print("{} kernels, {} faults\n", kernels.size(), faults.size());
  return kernels.empty() || !faults.empty() ? 1 : 0;
}
