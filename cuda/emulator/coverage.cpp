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

struct Launches {
  int64_t count = 0;
  int orders = 0;  // the most
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
        out.print("{} {} {} {}\n", kernel, launches.count, launches.orders, kAddressSanitizer ? "asan" : "-");
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
  }

 private:
  std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::string, Launches> kernels_;
};

}  // namespace

void note_launch(const char* kernel, int orders) {
  static Coverage coverage;
  coverage.note(kernel, orders);
}

}  // namespace az::cuda::emulator
