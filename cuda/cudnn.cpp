// The library on a GPU: cuDNN's plans by key, cuBLAS, and our plain kernels where neither applies.
#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <unordered_map>

#include "cuda/cublas.h"
#include "cuda/cudnn_graph.h"
#include "cuda/elementwise.h"
#include "cuda/library.h"
#include "cuda/log.h"
#include "cuda/runtime.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::cuda {
namespace {

/// Filter gradients split their sums over as much; the largest of a batch of 16 stays below.
constexpr int64_t kMostWorkspaceBytes = int64_t{1} << 30;
/// Candidates of each list that a tuning run times, and how often each.
constexpr int kMostTimed = 6;
constexpr int kTimings = 5;

class Handle {
 public:
  explicit Handle(Stream& stream) {
    AZ_CUDNN(cudnn().cudnnCreate(&handle_), "cudnn: start");
    AZ_CUDNN(cudnn().cudnnSetStream(handle_, stream.get()), "cudnn: its stream");
  }
  ~Handle() { cudnn().cudnnDestroy(handle_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  cudnnHandle_t get() const { return handle_; }

 private:
  cudnnHandle_t handle_ = nullptr;
};

/// Device memory for one call; what is queued after may reuse it.
class Scratch {
 public:
  Scratch(Allocator& allocator, int64_t bytes)
      : allocator_(allocator), block_(bytes > 0 ? allocator.allocate(bytes) : nullptr) {}
  ~Scratch() {
    if (block_) allocator_.release(block_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* get() const { return block_; }

 private:
  Allocator& allocator_;
  void* block_;
};

/// Reports a call to the stream's log.
class Logged {
 public:
  Logged(Stream& stream, const char* name) : log_(stream.log()) {
    if (log_) log_->begin(name);
  }
  ~Logged() {
    if (log_) log_->end();
  }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;

 private:
  LaunchLog* log_;
};

std::string machine_text() {
  int index = 0;
  cudaDeviceProp properties;
  AZ_CUDA(cudaGetDevice(&index), "cuda: which GPU");
  AZ_CUDA(cudaGetDeviceProperties(&properties, index), "cuda: asking what GPU it is");
  return fmt::format("cuDNN {}, {}", cudnn().cudnnGetVersion(), properties.name);
}

}  // namespace

struct Library::Parts {
  Stream& stream;
  Allocator& allocator;
  const bool exact;
  bool tf32 = false, tuning = false;
  Handle dnn;
  Blas blas;
  PlanChoices choices;                                                      // by timing, of this process or of a file
  std::unordered_map<PlanKey, std::optional<ConvPlan>, PlanKeyHash> plans;  // none: the plain kernels

  Parts(Stream& s, Allocator& a, bool e) : stream(s), allocator(a), exact(e), dnn(s), blas(s, a) {}

  cudnnStatus_t execute(const ConvPlan& plan, const PlanKey& key, const ConvPointers& at, void* workspace) {
    constexpr const char* kNames[] = {"cudnn_forward", "cudnn_backward_data", "cudnn_backward_weights"};
    const Logged logged(stream, kNames[static_cast<int>(key.pass)]);
    return plan.execute(dnn.get(), at, workspace);
  }

  /// Queues the plan and what its form leaves to our kernels.
  template <class T>
  cudnnStatus_t run(const ConvPlan& plan, const PlanKey& key, ConvPointers at) {
    const Scratch workspace(allocator, plan.workspace_bytes);
    const bool widens = key.pass == ConvPass::backward_weights && is_half(plan.form.filter);
    const Scratch narrow(allocator, widens ? key.shape.w_count() * dtype_bytes(plan.form.filter) : 0);
    void* dw = const_cast<void*>(at.w);
    if (widens) at.w = narrow.get();
    if (const cudnnStatus_t status = execute(plan, key, at, workspace.get()); status != CUDNN_STATUS_SUCCESS)
      return status;
    if constexpr (is_half_type<T>)
      if (widens) cast(stream, static_cast<const T*>(narrow.get()), static_cast<float*>(dw), key.shape.w_count());
    if (!plan.form.whole) {
      const ConvAfter<T> after{static_cast<const Wide<T>*>(at.bias), static_cast<const T*>(at.residual), key.relu};
      bias_act<T>(stream, after, static_cast<T*>(const_cast<void*>(at.y)), key.shape.y_count() / key.shape.k,
                  key.shape.k);
    }
    return CUDNN_STATUS_SUCCESS;
  }

  /// Milliseconds of the fastest of a few runs; none where it fails.
  template <class T>
  std::optional<double> time(const ConvPlan& plan, const PlanKey& key, const ConvPointers& at) {
    std::optional<double> best;
    for (int i = 0; i <= kTimings; ++i) {  // the first warms up
      Event begin, end;
      begin.record(stream);
      if (run<T>(plan, key, at) != CUDNN_STATUS_SUCCESS) return std::nullopt;
      end.record(stream);
      end.synchronise();
      const double ms = end.ms_since(begin);
      if (i > 0 && (!best || ms < *best)) best = ms;
    }
    return best;
  }

  template <class T>
  std::optional<ConvPlan> fastest(const PlanKey& key, const ConvPointers& at) {
    std::optional<ConvPlan> best;
    double best_ms = 0;
    std::map<std::pair<int, int>, int> timed;  // by list
    for_each_plan({dnn.get()}, key, kMostWorkspaceBytes, nullptr, [&](ConvPlan plan) {
      int& count = timed[{plan.choice.mode, plan.choice.form}];
      const std::optional<double> ms = time<T>(plan, key, at);
      if (ms && (!best || *ms < best_ms)) {
        best_ms = *ms;
        best = std::move(plan);
      }
      return ++count == kMostTimed ? Next::list : Next::plan;
    });
    if (best) choices[key_text(key)] = best->choice;
    return best;
  }

  /// The chosen plan where there is one and cuDNN still offers it, else the heuristic's first.
  std::optional<ConvPlan> first(const PlanKey& key) {
    std::optional<ConvPlan> found;
    const auto take = [&](ConvPlan plan) {
      found = std::move(plan);
      return Next::stop;
    };
    if (const auto chosen = choices.find(key_text(key)); chosen != choices.end())
      for_each_plan({dnn.get()}, key, kMostWorkspaceBytes, &chosen->second, take);
    if (!found) for_each_plan({dnn.get()}, key, kMostWorkspaceBytes, nullptr, take);
    return found;
  }

  /// Queues the pass; false where cuDNN has no plan for it.
  template <class T>
  bool convolve(PlanKey key, const ConvPointers& at) {
    key.alignment = common_alignment({at.x, at.w, at.y, at.residual});
    key.dtype = dtype_of<T>;
    key.tf32 = tf32 && key.dtype == DType::f32;
    auto found = plans.find(key);
    if (found == plans.end()) {
      AZ_CHECK(!stream.capturing(), "conv2d: {} has not run before this capture", key_text(key));
      const bool known = choices.contains(key_text(key));
      found = plans.emplace(key, tuning && !known ? fastest<T>(key, at) : first(key)).first;
    }
    if (!found->second) return false;
    AZ_CUDNN(run<T>(*found->second, key, at), "conv2d: " + key_text(key));
    return true;
  }

  void clear(void* to, int64_t bytes) {
    AZ_CUDA(cudaMemsetAsync(to, 0, static_cast<size_t>(bytes), stream.get()), "cuda: clearing a gradient");
  }
};

Library::Library(Stream& stream, Allocator& allocator, bool exact)
    : parts_(std::make_unique<Parts>(stream, allocator, exact)) {
  if (const char* path = std::getenv("AZ_CUDNN_PLANS"); path && *path) load_plans(path);
}
Library::~Library() = default;

void Library::allow_tf32(bool allowed) {
  parts_->tf32 = allowed && !parts_->exact;
  parts_->blas.allow_tf32(parts_->tf32);
}

bool Library::tf32() const { return parts_->tf32; }

template <class T>
void Library::conv_forward(const ConvShape& shape, const T* x, const T* w, const ConvAfter<T>& after, T* y) {
  if (shape.y_count() == 0) return;
  if constexpr (!std::is_same_v<T, double>) {
    const PlanKey key{.pass = ConvPass::forward,
                      .shape = shape,
                      .bias = after.bias != nullptr,
                      .residual = after.residual != nullptr,
                      .relu = after.relu};
    if (parts_->convolve<T>(key, {x, w, y, after.bias, after.residual})) return;
  }
  conv_forward_plain(parts_->stream, shape, x, w, after, y);
}

template <class T>
void Library::conv_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  if (shape.y_count() == 0) return parts_->clear(dx, shape.x_count() * static_cast<int64_t>(sizeof(T)));
  if constexpr (!std::is_same_v<T, double>)
    if (parts_->convolve<T>({.pass = ConvPass::backward_data, .shape = shape}, {dx, w, dy})) return;
  conv_backward_data_plain(parts_->stream, shape, dy, w, dx);
}

template <class T>
void Library::conv_backward_weights(const ConvShape& shape, const T* x, const T* dy, Wide<T>* dw) {
  if (shape.y_count() == 0) return parts_->clear(dw, shape.w_count() * static_cast<int64_t>(sizeof(Wide<T>)));
  if constexpr (!std::is_same_v<T, double>)
    if (parts_->convolve<T>({.pass = ConvPass::backward_weights, .shape = shape}, {x, dw, dy})) return;
  conv_backward_weights_plain(parts_->stream, shape, x, dy, dw);
}

template <class T>
void Library::matmul(const MatmulShape& shape, const T* a, const T* b, T* y) {
  const int64_t bytes = shape.batch * shape.m * shape.n * static_cast<int64_t>(sizeof(T));
  if (bytes == 0) return;
  if (shape.k == 0) return parts_->clear(y, bytes);
  const Logged logged(parts_->stream, "cublas_matmul");
  parts_->blas.matmul(shape, dtype_of<T>, a, b, y);
}

void Library::tune(bool on) { parts_->tuning = on; }
void Library::save_plans(const std::string& path) const {
  write_file(path, write_choices(parts_->choices, machine_text()));
}
void Library::load_plans(const std::string& path) {
  for (const auto& [key, choice] : read_choices(read_file(path), machine_text(), path)) parts_->choices[key] = choice;
}

#define AZ_INSTANTIATE(T)                                                                             \
  template void Library::conv_forward(const ConvShape&, const T*, const T*, const ConvAfter<T>&, T*); \
  template void Library::conv_backward_data(const ConvShape&, const T*, const T*, T*);                \
  template void Library::conv_backward_weights(const ConvShape&, const T*, const T*, Wide<T>*);       \
  template void Library::matmul(const MatmulShape&, const T*, const T*, T*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
