// Convolutions as cuDNN graphs: descriptors of the backend API, and the plans that its heuristics offer. Only sources
// of cuda/ that the toolkit builds include it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "cuda/library_map.h"
#include "cuda/vendor.h"

namespace az::cuda {

/// Throws az::Error with cuDNN's text.
[[noreturn]] void throw_cudnn(cudnnStatus_t status, const char* call, const std::string& what);

/// Checks a cuDNN call. `describe` is evaluated only on failure, so it may build a long string.
#define AZ_CUDNN(call, describe)                                                            \
  do {                                                                                      \
    if (const cudnnStatus_t status_ = (call); status_ != CUDNN_STATUS_SUCCESS) [[unlikely]] \
      ::az::cuda::throw_cudnn(status_, #call, (describe));                                  \
  } while (0)

/// cuDNN's name for a C++ type as an attribute.
template <class T>
consteval cudnnBackendAttributeType_t attribute_type() {
  if constexpr (std::is_same_v<T, int64_t>) return CUDNN_TYPE_INT64;
  if constexpr (std::is_same_v<T, bool>) return CUDNN_TYPE_BOOLEAN;
  if constexpr (std::is_same_v<T, float>) return CUDNN_TYPE_FLOAT;
  if constexpr (std::is_same_v<T, void*>) return CUDNN_TYPE_VOID_PTR;
  if constexpr (std::is_same_v<T, cudnnHandle_t>) return CUDNN_TYPE_HANDLE;
  if constexpr (std::is_same_v<T, cudnnDataType_t>) return CUDNN_TYPE_DATA_TYPE;
  if constexpr (std::is_same_v<T, cudnnConvolutionMode_t>) return CUDNN_TYPE_CONVOLUTION_MODE;
  if constexpr (std::is_same_v<T, cudnnPointwiseMode_t>) return CUDNN_TYPE_POINTWISE_MODE;
  if constexpr (std::is_same_v<T, cudnnBackendHeurMode_t>) return CUDNN_TYPE_HEUR_MODE;
}

/// A descriptor of the backend API.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }

  cudnnBackendDescriptor_t get() const { return handle_; }

  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set_raw(name, attribute_type<T>(), 1, &value);
  }
  template <class T, size_t N>
  Descriptor& set(cudnnBackendAttributeName_t name, const std::array<T, N>& values) {
    return set_raw(name, attribute_type<T>(), static_cast<int64_t>(N), values.data());
  }
  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, const std::vector<T>& values) {
    return set_raw(name, attribute_type<T>(), static_cast<int64_t>(values.size()), values.data());
  }
  /// Descriptors must outlive the one that they are set in.
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.handle_);
  }
  Descriptor& set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                      const void* values);

  /// Error: cuDNN refuses it.
  Descriptor& finalise();
  /// Whether cuDNN takes it.
  bool try_finalise() { return cudnn().cudnnBackendFinalize(handle_) == CUDNN_STATUS_SUCCESS; }

 private:
  cudnnBackendDescriptor_t handle_ = nullptr;
};

/// Device memory of a convolution. For a backward pass the one that is written holds the gradient: dx in x, dw in w; y
/// is dy.
struct ConvPointers {
  const void *x = nullptr, *w = nullptr, *y = nullptr;
  const void *bias = nullptr, *residual = nullptr;
};

/// A finalised way to compute a key's pass, or the part that its form says.
struct ConvPlan {
  GraphForm form;
  PlanChoice choice;
  int64_t workspace_bytes = 0;
  Descriptor config, plan;
  std::vector<int64_t> ids;  ///< of the tensors that the graph reads and writes

  /// Queues it. Returns cuDNN's status.
  cudnnStatus_t execute(cudnnHandle_t handle, const ConvPointers& at, void* workspace) const;
};

/// The GPU that plans are for: the handle's, or one that only its properties describe (such plans cannot run).
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* properties = nullptr;
};

enum class Next : uint8_t { plan, list, stop };
/// Calls f with each plan that is acceptable, finalises and takes at most `most_workspace_bytes`, best first: heuristic
/// A's list for each form, then the fallback lists. f says what comes next. `only`, where not null, is the one to look
/// for.
void for_each_plan(const PlanTarget& target, const PlanKey& key, int64_t most_workspace_bytes, const PlanChoice* only,
                   const std::function<Next(ConvPlan)>& f);

}  // namespace az::cuda
