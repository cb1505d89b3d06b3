// Which checks each CUDA kernel has been through: reads the kernels' names from the sources, and what ran from the
// files that AZ_SIMT_COVERAGE left (cuda/emulator/coverage.h).
//   tool_kernel_table SOURCE COVERAGE...
// Prints a table; ends with 1 if a kernel did not run, ran in fewer than four thread orders, or lacks a check that
// applies to it. Every "-" of the table stands in kernel_exceptions.h, with its reason.
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

#include "tests/tools/kernel_exceptions.h"

namespace {

namespace fs = std::filesystem;

constexpr int kOrders = 4;  // forward, reverse and two random ones

struct Kernel {
  std::string file;
  bool launched_by_name = false;  // launch("NAME", ...) stands somewhere
  int64_t launches = 0;
  int orders = 0;
  std::map<Check, bool> passed;
  std::vector<std::string> sizes;
  bool asan = false;

  bool seen(std::string_view size) const { return std::ranges::find(sizes, size) != sizes.end(); }
};

constexpr std::string_view kSizes[] = {"1", "31", "32", "33", "257"};

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
  for (auto& [name, kernel] : kernels) {
    kernel.launched_by_name = all.find('"' + name + '"') != std::string::npos;
    for (const Check check : {Check::cpu, Check::reference, Check::gradient, Check::unaligned})
      kernel.passed[check] = false;
  }
  return kernels;
}

void add_coverage(const fs::path& folder, std::map<std::string, Kernel>& kernels) {
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::istringstream lines(text_of(entry.path()));
    std::string name, asan, gradient, by_cpu, reference, sizes, unaligned;
    int64_t launches = 0;
    int orders = 0;
    while (lines >> name >> launches >> orders >> asan >> gradient >> by_cpu >> reference >> sizes >> unaligned) {
      const auto found = kernels.find(name);
      if (found == kernels.end()) continue;  // a test's own kernel
      Kernel& kernel = found->second;
      kernel.launches += launches;
      kernel.orders = std::max(kernel.orders, orders);
      kernel.asan |= asan == "asan";
      kernel.passed[Check::gradient] |= gradient == "gradient";
      kernel.passed[Check::cpu] |= by_cpu == "cpu";
      kernel.passed[Check::reference] |= reference == "reference";
      kernel.passed[Check::unaligned] |= unaligned == "unaligned";
      std::istringstream each(sizes);
      for (std::string size; std::getline(each, size, ',');)
        if (!kernel.seen(size)) kernel.sizes.push_back(size);
    }
  }
}

/// What stands in the column; a check that is missing, or that was made for an exception, is a fault.
std::string cell(const std::string& name, const Kernel& kernel, Check check, bool passed,
                 std::vector<std::string>& faults) {
  const Exception* exception = exception_for(name, check);
  if (passed && exception)
    faults.push_back(fmt::format("{}: {} was checked, yet kernel_exceptions.h excuses it", name, label(check)));
  if (!passed && !exception && kernel.launches > 0)
    faults.push_back(fmt::format("{}: no test checks: {}", name, label(check)));
  return passed ? "yes" : exception ? "-" : "NO";
}

/// The odd sizes that no launch had.
std::string missing_sizes(const Kernel& kernel) {
  std::string missing;
  for (const std::string_view size : kSizes)
    if (!kernel.seen(size)) missing += fmt::format("{}{}", missing.empty() ? "" : ",", size);
  return missing;
}

bool passed(const Kernel& kernel, Check check) {
  if (check == Check::sizes) return missing_sizes(kernel).empty();
  return check == Check::empty ? kernel.seen("0") : kernel.passed.at(check);
}

void print_row(const std::string& name, const Kernel& k, std::vector<std::string>& faults) {
  const std::string missing = missing_sizes(k);
  const auto column = [&](Check check) { return cell(name, k, check, passed(k, check), faults); };
  std::string sizes = column(Check::sizes);
  if (sizes == "NO") sizes = "without " + missing;
  const std::string empty = column(Check::empty);
  fmt::print("{:<34} {:<22} {:>8} {:>6}  {:<4} {:<4} {:<9} {:<8} {:<9} {:<5} {}\n", name, k.file.substr(5), k.launches,
             k.orders, k.asan ? "yes" : "-", column(Check::cpu), column(Check::reference), column(Check::gradient),
             column(Check::unaligned), empty, sizes);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    fmt::print(stderr, "usage: tool_kernel_table SOURCE COVERAGE...\n");
    return 2;
  }
  auto kernels = kernels_of(arguments[1]);
  for (int i = 2; i < count; ++i) add_coverage(arguments[i], kernels);
  fmt::print("{:<34} {:<22} {:>8} {:>6}  {:<4} {:<4} {:<9} {:<8} {:<9} {:<5} {}\n", "kernel", "in cuda/", "launches",
             "orders", "asan", "cpu", "reference", "gradient", "unaligned", "empty", "1 31 32 33 257");
  const bool sanitized = std::ranges::any_of(kernels, [](const auto& k) { return k.second.asan; });
  std::vector<std::string> faults;
  for (const auto& [name, k] : kernels) {
    print_row(name, k, faults);
    if (!k.launched_by_name)
      faults.push_back(name + ": no launch(..., \"" + name + "\", ...): the name must be the kernel's");
    if (k.launches == 0) {
      faults.push_back(name + ": no test runs it");
    } else if (k.orders < kOrders) {
      faults.push_back(fmt::format("{}: compared in {} thread orders, want {}", name, k.orders, kOrders));
    }
    if (sanitized && !k.asan) faults.push_back(name + ": did not run under AddressSanitizer");
  }
  for (const Exception& e : exceptions())
    for (const std::string_view kernel : e.kernels)
      if (!kernels.contains(std::string(kernel)))
        faults.push_back(fmt::format("kernel_exceptions.h names {}, which does not exist", kernel));
  for (const std::string& fault : faults) fmt::print("error: {}\n", fault);
  fmt::print("{} kernels, {} faults\n", kernels.size(), faults.size());
  return kernels.empty() || !faults.empty() ? 1 : 0;
}
