// What a stream, an event and a graph of the emulated runtime are.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/emulator/device_heap.h"

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

  void add(const char* name, std::function<void()> work) {
    if (captured) {
      captured->nodes.push_back({name, std::move(work)});
    } else {
      const az::cuda::emulator::OnDevice inside;
      work();
    }
  }
};
struct CUevent_st {
  std::chrono::steady_clock::time_point when;
};
