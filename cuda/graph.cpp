#include "cuda/graph.h"

#include <exception>

#include "cuda/runtime.h"
#include "tensor/allocator.h"
#include "tensor/error.h"

namespace az::cuda {
namespace {

/// The first run is recorded by the arena, the second takes its addresses from the plan; the third may be captured.
constexpr int64_t kEagerRuns = 2;

/// Capture of one stream; ends, and drops what was captured, if it is left before finish().
class CaptureScope {
 public:
  explicit CaptureScope(Stream& stream) : stream_(stream) {
    AZ_CUDA(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), "cuda graph: begin of capture");
    stream.set_capturing(true);
  }
  ~CaptureScope() {
    if (!stream_.capturing()) return;
    stream_.set_capturing(false);
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream_.get(), &graph) == cudaSuccess && graph) cudaGraphDestroy(graph);
    cudaGetLastError();  // a capture that failed leaves an error behind, which is ours to clear
  }
  CaptureScope(const CaptureScope&) = delete;
  CaptureScope& operator=(const CaptureScope&) = delete;

  cudaGraph_t finish() {
    stream_.set_capturing(false);
    cudaGraph_t graph = nullptr;
    AZ_CUDA(cudaStreamEndCapture(stream_.get(), &graph), "cuda graph: end of capture");
    return graph;
  }

 private:
  Stream& stream_;
};

}  // namespace

Graph::Graph(Stream& stream, const std::function<void()>& work) {
  CaptureScope scope(stream);
  work();
  const cudaGraph_t graph = scope.finish();
  size_t nodes = 0;
  const cudaError_t counted = cudaGraphGetNodes(graph, nullptr, &nodes);
  const cudaError_t made = cudaGraphInstantiate(&exec_, graph, 0);
  cudaGraphDestroy(graph);
  AZ_CUDA(counted, "cuda graph: counting its nodes");
  AZ_CUDA(made, "cuda graph: instantiating it");
  nodes_ = static_cast<int64_t>(nodes);
}

Graph::~Graph() { cudaGraphExecDestroy(exec_); }

void Graph::replay(Stream& stream) {
  AZ_CUDA(cudaGraphLaunch(exec_, stream.get()), "cuda graph: replay");
  stream.note_launch("a graph's kernels");
}

bool GraphCache::run(uint64_t key, const std::function<void()>& work) {
  Entry& entry = entries_[key];
  const bool moved = entry.generation != allocator_.arena_generation();
  if (entry.graph && moved) {
    entry.graph.reset();
    entry.runs = 0;
  }
  if (!entry.graph && !entry.refused && entry.runs >= kEagerRuns) capture(entry, key, work);
  if (entry.graph) {
    entry.graph->replay(stream_);
    return true;
  }
  ++entry.runs;
  const StepScope scope(allocator_, key);
  work();
  return false;
}

/// False where the work cannot be captured; it then has not run.
bool GraphCache::capture(Entry& entry, uint64_t key, const std::function<void()>& work) {
  if (stream_.waits_for_launches()) {
    failure_ = "AZ_SYNC=1 waits for every launch, which a capture forbids";
    entry.refused = true;
    return false;
  }
  const uint64_t generation = allocator_.arena_generation();
  try {
    auto graph = std::make_unique<Graph>(stream_, [&] {
      const StepScope scope(allocator_, key);
      work();
    });
    AZ_CHECK(
        allocator_.arena_generation() == generation && allocator_.last_step_was_planned(),
        "cuda graph: the work left the plan of the step arena (another sequence of tensors, or one that outlives it)");
    entry.graph = std::move(graph);
    entry.generation = generation;
    return true;
  } catch (const std::exception& error) {
    failure_ = error.what();
    entry.refused = true;
    return false;
  }
}

}  // namespace az::cuda
