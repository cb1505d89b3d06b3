// Work that repeats with the same shapes: a training step, an inference.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tensor/device.h"

namespace az::ops {

/// Runs work inside a step of the device's arena; on a CUDA device it becomes a graph at its third run with a key and
/// is replayed from then on (cuda/graph.h says what work may do). The same numbers either way.
class StepRunner {
 public:
  /// `graphs`: whether to capture at all.
  StepRunner(Device& device, bool graphs);
  ~StepRunner();

  /// key: a hash of everything that shapes the work. Returns whether a graph was replayed: tensors that the work writes
  /// to then have new contents under an old version.
  bool run(uint64_t key, const std::function<void()>& work);
  /// Graphs in use, and why the last capture that failed did (empty: none has).
  int64_t graphs() const;
  std::string failure() const;

 private:
  struct Graphs;
  template <bool kBuilt>
  struct CudaGraphs;

  Device& device_;
  std::unique_ptr<Graphs> graphs_;  // null: eager
};

}  // namespace az::ops
