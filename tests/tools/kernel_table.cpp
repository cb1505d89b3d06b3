// Which checks each CUDA kernel has been through: reads the kernels' names from the sources, and what ran from the
// files that AZ_SIMT_COVERAGE left (cuda/emulator/coverage.h).
//   tool_kernel_table SOURCE COVERAGE...
// Prints a table; ends with 1 if a kernel did not run, or ran in fewer than four thread orders.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
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

bool in_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// The name of the function whose declaration goes on at `at`, after __global__.
std::string name_after(const std::string& text, size_t at) {
  while (at < text.size()) {
    const size_t begin = static_cast<size_t>(
        std::find_if(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), in_name) - text.begin());
    size_t end = begin;
    while (end < text.size() && in_name(text[end])) ++end;
    const std::string word = text.substr(begin, end - begin);
    if (word == "__launch_bounds__") {
      end = text.find(')', end);
    } else if (word != "void") {
      return word;
    }
    at = end;
  }
  return {};
}

/// The kernels of cuda/*.cu and *.cuh.
std::map<std::string, Kernel> kernels_of(const fs::path& source) {
  constexpr std::string_view kKeyword = "__global__";
  std::map<std::string, Kernel> kernels;
  std::string all;
  for (const auto& entry : fs::directory_iterator(source / "cuda")) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".cu" && extension != ".cuh") continue;
    const std::string text = text_of(entry.path());
    all += text;
    for (size_t at = text.find(kKeyword); at != std::string::npos; at = text.find(kKeyword, at + 1))
      kernels[name_after(text, at + kKeyword.size())].file = "cuda/" + entry.path().filename().string();
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
