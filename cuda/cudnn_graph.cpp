#include "cuda/cudnn_graph.h"

#include <fmt/format.h>

#include "tensor/error.h"

namespace az::cuda {

void throw_cudnn(cudnnStatus_t status, const char* call, const std::string& what) {
  char detail[512] = "";
  cudnn().cudnnGetLastErrorString(detail, sizeof detail);
  fail("{}: {} ({}: {})", what, cudnn().cudnnGetErrorString(status), called_name(call), detail);
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  AZ_CUDNN(cudnn().cudnnBackendCreateDescriptor(type, &handle_),
           fmt::format("cudnn: descriptor {}", static_cast<int>(type)));
}

Descriptor::~Descriptor() {
  if (handle_) cudnn().cudnnBackendDestroyDescriptor(handle_);
}

Descriptor& Descriptor::set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                                const void* values) {
  AZ_CUDNN(cudnn().cudnnBackendSetAttribute(handle_, name, type, count, values),
           fmt::format("cudnn: attribute {}", static_cast<int>(name)));
  return *this;
}

Descriptor& Descriptor::finalise() {
  AZ_CUDNN(cudnn().cudnnBackendFinalize(handle_), "cudnn: a descriptor");
  return *this;
}

namespace {

/// Names of a graph's tensors; those after the residual are never in memory.
enum Id : int64_t { kX = 1, kW, kY, kBias, kResidual, kFirstVirtual };

/// In the order of PlanChoice::mode.
constexpr cudnnBackendHeurMode_t kModes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};

cudnnDataType_t type_of(DType dtype) {
  return dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : dtype == DType::f16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
}

/// A graph and everything that it refers to.
class ConvGraph {
 public:
  ConvGraph(const PlanTarget& target, const PlanKey& key, const GraphForm& form) : key_(key) {
    const bool after = form.whole && (key.bias || key.residual || key.relu);
    const Descriptor& x = tensor(kX, x_map(key.shape), key.dtype);
    const Descriptor& w = tensor(kW, filter_map(key.shape), form.filter);
    const Descriptor& sums = after ? between() : tensor(kY, y_map(key.shape), key.dtype);
    convolution(x, w, sums);
    if (after) add_epilogue(sums);
    std::vector<cudnnBackendDescriptor_t> handles;
    for (const size_t i : operations_) handles.push_back(parts_[i]->get());
    graph_.set_raw(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(handles.size()),
                   handles.data());
    if (target.handle) graph_.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, target.handle);
    supported_ = finalise_graph();
  }

  const Descriptor& graph() const { return graph_; }
  /// False where no engine takes such a pattern.
  bool supported() const { return supported_; }
  const std::vector<int64_t>& ids() const { return ids_; }

 private:
  Descriptor& add(cudnnBackendDescriptorType_t type) {
    return *parts_.emplace_back(std::make_unique<Descriptor>(type));
  }
  Descriptor& add_operation(cudnnBackendDescriptorType_t type) {
    operations_.push_back(parts_.size());
    return add(type);
  }

  const Descriptor& tensor(int64_t id, const TensorMap& map, DType dtype) {
    const bool in_memory = id < kFirstVirtual;
    // A bias may lie anywhere in a buffer of parameters; to ask more of it would rule out the fast engines.
    const int64_t aligned = id == kBias ? dtype_bytes(dtype) : std::max(key_.alignment, dtype_bytes(dtype));
    if (in_memory) ids_.push_back(id);
    return add(CUDNN_BACKEND_TENSOR_DESCRIPTOR)
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type_of(dtype))
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, map.dims)
        .set(CUDNN_ATTR_TENSOR_STRIDES, map.strides)
        .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, aligned)
        .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, !in_memory)
        .finalise();
  }
  /// Sums between two operations, in f32.
  const Descriptor& between() { return tensor(next_virtual_++, y_map(key_.shape), DType::f32); }

  void convolution(const Descriptor& x, const Descriptor& w, const Descriptor& y) {
    const math::ConvShape& d = key_.shape;
    const std::array<int64_t, 2> padding{d.padding, d.padding}, stride{d.stride, d.stride},
        dilation{d.dilation, d.dilation};
    const Descriptor& what = add(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)
                                 .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
                                 .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
                                 .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2})
                                 .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, padding)
                                 .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, padding)
                                 .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dilation)
                                 .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, stride)
                                 .finalise();
    switch (key_.pass) {
      case ConvPass::forward:
        add_operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, what)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0F)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0F)
            .finalise();
        return;
      case ConvPass::backward_data:
        add_operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, x)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, w)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, y)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, what)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0F)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 0.0F)
            .finalise();
        return;
      case ConvPass::backward_weights:
        add_operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, x)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, w)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, y)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, what)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0F)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 0.0F)
            .finalise();
    }
  }

  /// One step after the convolution: y = x + b, or relu(x).
  void pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const Descriptor* b, const Descriptor& y) {
    const Descriptor& what = add(CUDNN_BACKEND_POINTWISE_DESCRIPTOR)
                                 .set(CUDNN_ATTR_POINTWISE_MODE, mode)
                                 .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT)
                                 .finalise();
    Descriptor& operation = add_operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)
                                .set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what)
                                .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
                                .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    if (b) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    operation.finalise();
  }

  /// Residual, then bias, then ReLU: the order of the pattern that cuDNN has ready-made kernels for.
  void add_epilogue(const Descriptor& sums) {
    int left = int{key_.residual} + int{key_.bias} + int{key_.relu};
    const Descriptor* at = &sums;
    const auto next = [&](cudnnPointwiseMode_t mode, const Descriptor* b) {
      const Descriptor& to = --left > 0 ? between() : tensor(kY, y_map(key_.shape), key_.dtype);
      pointwise(mode, *at, b, to);
      at = &to;
    };
    if (key_.residual) next(CUDNN_POINTWISE_ADD, &tensor(kResidual, y_map(key_.shape), key_.dtype));
    if (key_.bias) next(CUDNN_POINTWISE_ADD, &tensor(kBias, channel_map(key_.shape.k), DType::f32));
    if (key_.relu) next(CUDNN_POINTWISE_RELU_FWD, nullptr);
  }

  bool finalise_graph() {
    const cudnnStatus_t status = cudnn().cudnnBackendFinalize(graph_.get());
    if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) return false;
    AZ_CUDNN(status, "cudnn: the graph of " + key_text(key_));
    return true;
  }

  PlanKey key_;
  std::vector<std::unique_ptr<Descriptor>> parts_;
  std::vector<size_t> operations_;  // in parts_
  std::vector<int64_t> ids_;
  int64_t next_virtual_ = kFirstVirtual;
  Descriptor graph_{CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR};
  bool supported_ = false;
};

/// Engine configurations for the graph, best first; none where the heuristic knows none.
std::vector<Descriptor> configurations(const PlanTarget& target, const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (target.properties) heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.properties);
  if (!heuristic.try_finalise()) return {};
  int64_t count = 0;
  AZ_CUDNN(cudnn().cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
           "cudnn: how many configurations the heuristic has");
  std::vector<Descriptor> all;
  std::vector<cudnnBackendDescriptor_t> handles;
  for (int64_t i = 0; i < count; ++i) handles.push_back(all.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  if (count > 0)
    AZ_CUDNN(cudnn().cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, handles.data()),
             "cudnn: the heuristic's configurations");
  all.erase(all.begin() + count, all.end());
  return all;
}

struct Engine {
  int64_t number = 0;
  PlanNotes notes;
};

Engine engine_of(const Descriptor& config) {
  const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t handle = engine.get();
  int64_t count = 0;
  AZ_CUDNN(cudnn().cudnnBackendGetAttribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                            &count, &handle),
           "cudnn: a configuration's engine");
  Engine result;
  AZ_CUDNN(cudnn().cudnnBackendGetAttribute(handle, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count,
                                            &result.number),
           "cudnn: an engine's number");
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  AZ_CUDNN(cudnn().cudnnBackendGetAttribute(handle, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                            CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes.data()),
           "cudnn: an engine's notes");
  for (const cudnnBackendNumericalNote_t note : std::span(notes).first(static_cast<size_t>(count))) {
    result.notes.nondeterministic |= note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    result.notes.tensor_core |= note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    result.notes.down_converts |= note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    result.notes.reduced_sums |= note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION;
    result.notes.transforms |= note == CUDNN_NUMERICAL_NOTE_FFT || note == CUDNN_NUMERICAL_NOTE_WINOGRAD ||
                               note == CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4 ||
                               note == CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6 ||
                               note == CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13;
  }
  return result;
}

int64_t workspace_of(const Descriptor& plan) {
  int64_t count = 0, bytes = 0;
  AZ_CUDNN(cudnn().cudnnBackendGetAttribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                            &count, &bytes),
           "cudnn: a plan's workspace");
  return bytes;
}

}  // namespace

void for_each_plan(const PlanTarget& target, const PlanKey& key, int64_t most_workspace_bytes, const PlanChoice* only,
                   const std::function<Next(ConvPlan)>& f) {
  const std::vector<GraphForm> forms = graph_forms(key);
  std::vector<std::unique_ptr<ConvGraph>> graphs;
  for (const GraphForm& form : forms) graphs.push_back(std::make_unique<ConvGraph>(target, key, form));
  for (int mode = 0; mode < static_cast<int>(std::size(kModes)); ++mode)
    for (size_t form = 0; form < forms.size(); ++form) {
      if (!graphs[form]->supported()) continue;
      auto configs = configurations(target, graphs[form]->graph(), kModes[mode]);
      for (size_t i = 0; i < configs.size(); ++i) {
        const Engine engine = engine_of(configs[i]);
        const PlanChoice choice{mode, static_cast<int>(form), static_cast<int64_t>(i), engine.number};
        if (!acceptable(engine.notes, key) || (only && *only != choice)) continue;
        Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configs[i]);
        if (target.handle) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
        if (target.properties) plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.properties);
        if (!plan.try_finalise()) continue;
        const int64_t workspace = workspace_of(plan);
        if (workspace > most_workspace_bytes) continue;
        const Next next =
            f({forms[form], choice, workspace, std::move(configs[i]), std::move(plan), graphs[form]->ids()});
        if (next == Next::stop) return;
        if (next == Next::list) break;
      }
    }
}

cudnnStatus_t ConvPlan::execute(cudnnHandle_t handle, const ConvPointers& at, void* workspace) const {
  std::vector<void*> pointers;
  for (const int64_t id : ids) {
    const void* p = id == kX ? at.x : id == kW ? at.w : id == kY ? at.y : id == kBias ? at.bias : at.residual;
    pointers.push_back(const_cast<void*>(p));  // cuDNN writes only to the pass's result
  }
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, pointers)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace)
      .finalise();
  return cudnn().cudnnBackendExecute(handle, plan.get(), pack.get());
}

}  // namespace az::cuda
