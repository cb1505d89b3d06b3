// What a stream, an event and a graph of the emulated runtime are.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/emulator/device_heap.h"
#include "cuda/emulator/fault.h"

/// One piece of queued work.
struct EmulatedNode {
  const char* name;
  std::function<void()> work;
};

struct CUgraph_st {
  std::vector<EmulatedNode> nodes;
};
struct CUgraphExec_st {
  std::vector<EmulatedNode> nodes;
};
struct CUstream_st {
  std::unique_ptr<CUgraph_st> captured;  // while capturing

  /// Runs or records it; does neither after a kernel's fault. Returns that fault once it has been reported.
  cudaError_t add(const char* name, std::function<void()> work) {
    if (captured) {
      captured->nodes.push_back({name, std::move(work)});
    } else if (fault_ == cudaSuccess) {
      const az::cuda::emulator::OnDevice inside;
      try {
        work();
      } catch (const az::cuda::emulator::DeviceFault& fault) {
        fault_ = fault.error;
      }
    }
    return reported_ ? fault_ : cudaSuccess;
  }
  /// What a call that waits reports.
  cudaError_t wait() {
    reported_ = fault_ != cudaSuccess;
    return fault_;
  }

 private:
  cudaError_t fault_ = cudaSuccess;  // of a kernel
  bool reported_ = false;
};
struct CUevent_st {
  std::chrono::steady_clock::time_point when;
};
