#include "cuda/emulator/coverage.h"

#include <fmt/os.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "tensor/sanitizer.h"

namespace az::cuda::emulator {
namespace {

constexpr unsigned kUnaligned = 1U << kCoverageSizes.size();  // above a bit for each size

constinit thread_local int gradient_checks = 0;            // scopes alive
constinit thread_local CompareScope* comparing = nullptr;  // the innermost
constinit thread_local unsigned current_sizes = 0;

struct Launches {
  std::string kernel;
  int64_t count = 0;
  int orders = 0;  // the most
  bool gradient = false;
  unsigned against = 0, sizes = 0;

  void print(fmt::ostream& out) const {
    std::string seen;
    for (size_t i = 0; i < kCoverageSizes.size(); ++i)
      if (sizes >> i & 1U) seen += fmt::format("{}{}", seen.empty() ? "" : ",", kCoverageSizes[i]);
    const auto has = [](bool yes, const char* name) { return yes ? name : "-"; };
    out.print("{} {} {} {} {} {} {} {} {}\n", kernel, count, orders, has(kAddressSanitizer, "asan"),
              has(gradient, "gradient"), has(against & static_cast<unsigned>(Against::cpu), "cpu"),
              has(against & static_cast<unsigned>(Against::reference), "reference"), seen.empty() ? "-" : seen,
              has(sizes & kUnaligned, "unaligned"));
  }
};

/// Collects while the process runs, writes when it ends.
class Coverage {
 public:
  Coverage() {
    if (const char* folder = std::getenv("AZ_SIMT_COVERAGE")) folder_ = folder;
  }
  ~Coverage() {
    if (folder_.empty() || kernels_.empty()) return;
    try {
      std::filesystem::create_directories(folder_);
      auto out = fmt::output_file((folder_ / fmt::format("{}.txt", getpid())).string());
      for (const Launches& launches : kernels_) launches.print(out);
    } catch (const std::exception& error) {
      fmt::print(stderr, "AZ_SIMT_COVERAGE: {}: {}\n", folder_.string(), error.what());
    }
  }
  size_t note(const char* kernel, int orders) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(kernels_, kernel, &Launches::kernel);
    const auto number = static_cast<size_t>(found - kernels_.begin());
    if (found == kernels_.end()) kernels_.push_back({.kernel = kernel});
    Launches& launches = kernels_[number];
    ++launches.count;
    launches.orders = std::max(launches.orders, orders);
    launches.gradient = launches.gradient || gradient_checks > 0;
    return std::min(number, KernelSet().size() - 1);
  }
  void credit(size_t kernel, Against against, unsigned sizes) {
    const std::lock_guard lock(mutex_);
    kernels_[kernel].against |= static_cast<unsigned>(against);
    kernels_[kernel].sizes |= sizes;
  }

 private:
  std::filesystem::path folder_;
  std::mutex mutex_;
  std::vector<Launches> kernels_;
};

Coverage& coverage() {
  static Coverage coverage;
  return coverage;
}

}  // namespace

GradientCheckScope::GradientCheckScope() { ++gradient_checks; }
GradientCheckScope::~GradientCheckScope() { --gradient_checks; }

CompareScope::CompareScope(Against against) : against_(against), outer_(comparing) { comparing = this; }
CompareScope::~CompareScope() {
  comparing = outer_;
  for (const auto& [kernel, sizes] : launches_)
    if (read_.test(kernel)) coverage().credit(kernel, against_, sizes | (empty_ ? 1U : 0U));
}

SizeScope::SizeScope(std::initializer_list<int64_t> sizes) : before_(current_sizes) {
  static_assert(kCoverageSizes[0] == 0);
  for (size_t i = 0; i < kCoverageSizes.size(); ++i)
    if (std::ranges::find(sizes, kCoverageSizes[i]) != sizes.end()) current_sizes |= 1U << i;
  if (!(current_sizes & 1U)) return;
  for (CompareScope* scope = comparing; scope; scope = scope->outer_) scope->empty_ = true;
}
SizeScope::~SizeScope() { current_sizes = before_; }

size_t note_launch(const char* kernel, int orders, bool unaligned) {
  const size_t number = coverage().note(kernel, orders);
  for (CompareScope* scope = comparing; scope; scope = scope->outer_)
    scope->launches_[number] |= current_sizes | (unaligned ? kUnaligned : 0U);
  return number;
}

void note_read(const KernelSet& writers) {
  for (CompareScope* scope = comparing; scope; scope = scope->outer_) scope->read_ |= writers;
}

}  // namespace az::cuda::emulator
