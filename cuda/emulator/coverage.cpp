#include "cuda/emulator/coverage.h"

#include <fmt/os.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

#include "tensor/sanitizer.h"

namespace az::cuda::emulator {
namespace {

constinit thread_local int gradient_checks = 0;  // scopes alive

struct Launches {
  int64_t count = 0;
  int orders = 0;  // the most
  bool gradient = false;
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
      for (const auto& [kernel, launches] : kernels_)
        out.print("{} {} {} {} {}\n", kernel, launches.count, launches.orders, kAddressSanitizer ? "asan" : "-",
                  launches.gradient ? "gradient" : "-");
    } catch (const std::exception& error) {
      fmt::print(stderr, "AZ_SIMT_COVERAGE: {}: {}\n", folder_.string(), error.what());
    }
  }
  void note(const char* kernel, int orders) {
    if (folder_.empty()) return;
    const std::lock_guard lock(mutex_);
    Launches& launches = kernels_[kernel];
    ++launches.count;
    launches.orders = std::max(launches.orders, orders);
    launches.gradient = launches.gradient || gradient_checks > 0;
  }

 private:
  std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::string, Launches> kernels_;
};

}  // namespace

GradientCheckScope::GradientCheckScope() { ++gradient_checks; }
GradientCheckScope::~GradientCheckScope() { --gradient_checks; }

void note_launch(const char* kernel, int orders) {
  static Coverage coverage;
  coverage.note(kernel, orders);
}

}  // namespace az::cuda::emulator
