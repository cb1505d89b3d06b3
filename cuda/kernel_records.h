// Kernels as a GPU ran them, cuDNN's and cuBLAS's too: name, time, grid. From CUPTI, which is loaded when it is asked
// for.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace az::cuda {

struct KernelRecord {
  std::string name;                    ///< as the compiler mangled it
  int64_t begin_ns = 0, end_ns = 0;    ///< since the recorder was made
  std::array<int, 3> grid{}, block{};  ///< blocks, and threads of one
  int registers = 0;                   ///< of a thread
  int64_t shared_bytes = 0;            ///< of a block, static and dynamic
};

/// Records kernels of the process while it lives; one at a time.
class KernelRecorder {
 public:
  /// Error: the build or the machine has no CUPTI, or it refuses (a container without the permission for profiling), in
  /// one line.
  KernelRecorder();
  ~KernelRecorder();
  KernelRecorder(const KernelRecorder&) = delete;
  KernelRecorder& operator=(const KernelRecorder&) = delete;

  /// The kernels that have ended, in the order in which they began; call it when the device is synchronised.
  std::vector<KernelRecord> take();

 private:
  uint64_t zero_ = 0;  // CUPTI's time at the start
};

}  // namespace az::cuda
