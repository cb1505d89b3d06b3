#include "ops/step_runner.h"

#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/graph.h"

namespace az::ops {

struct StepRunner::Graphs {
  virtual ~Graphs() = default;
  virtual bool run(uint64_t key, const std::function<void()>& work) = 0;
  virtual int64_t count() const = 0;
  virtual const std::string& failure() const = 0;
};

/// A template, so that a build without CUDA has none.
template <bool kBuilt>
struct StepRunner::CudaGraphs final : Graphs {
  cuda::GraphCache cache;
  explicit CudaGraphs(Device& device) : cache(cuda::device_of(device).stream(), device.allocator()) {}
  bool run(uint64_t key, const std::function<void()>& work) override { return cache.run(key, work); }
  int64_t count() const override { return cache.graphs(); }
  const std::string& failure() const override { return cache.failure(); }
};

StepRunner::StepRunner(Device& device, bool graphs) : device_(device) {
  if constexpr (cuda::kBuilt)
    if (graphs && device.kind() == DeviceKind::cuda) graphs_ = std::make_unique<CudaGraphs<cuda::kBuilt>>(device);
  static_cast<void>(graphs);
}

StepRunner::~StepRunner() = default;

bool StepRunner::run(uint64_t key, const std::function<void()>& work) {
  if (graphs_) return graphs_->run(key, work);
  const StepScope scope(device_.allocator(), key);
  work();
  return false;
}

int64_t StepRunner::graphs() const { return graphs_ ? graphs_->count() : 0; }
std::string StepRunner::failure() const { return graphs_ ? graphs_->failure() : std::string(); }

}  // namespace az::ops
