// CUDA graphs: a sequence of launches recorded once and replayed at one call's cost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "cuda/stream.h"

struct CUgraphExec_st;

namespace az {
class Allocator;
}

namespace az::cuda {

/// An executable graph.
class Graph {
 public:
  /// Records what `work` queues on the stream, which does not run. Nothing in `work` may wait for the device or
  /// allocate from the driver. Error: it did, with what.
  Graph(Stream& stream, const std::function<void()>& work);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void replay(Stream& stream);
  /// Kernels, copies and fills in it.
  int64_t nodes() const { return nodes_; }

 private:
  CUgraphExec_st* exec_ = nullptr;
  int64_t nodes_ = 0;
};

/// Work that repeats by key (a hash of its shapes): run as it is until the step arena gives it fixed addresses, then
/// captured, then replayed.
///
/// `work` runs inside a step of the allocator and must be a function of device memory at fixed addresses: what changes
/// from run to run is written there before run(), what it results in is left there. Tensors that it makes do not
/// outlive it. Should capture fail, the key goes on eagerly, and failure() says why.
class GraphCache {
 public:
  GraphCache(Stream& stream, Allocator& allocator) : stream_(stream), allocator_(allocator) {}

  /// Returns whether it replayed a graph.
  bool run(uint64_t key, const std::function<void()>& work);
  int64_t graphs() const {
    int64_t count = 0;
    for (const auto& [key, entry] : entries_) count += entry.graph ? 1 : 0;
    return count;
  }
  /// Why the last capture that failed did; empty if none has.
  const std::string& failure() const { return failure_; }

 private:
  struct Entry {
    int64_t runs = 0;
    uint64_t generation = 0;  // of the arena, at capture
    bool refused = false;
    std::unique_ptr<Graph> graph;
  };
  bool capture(Entry& entry, uint64_t key, const std::function<void()>& work);

  Stream& stream_;
  Allocator& allocator_;
  std::unordered_map<uint64_t, Entry> entries_;
  std::string failure_;
};

}  // namespace az::cuda
