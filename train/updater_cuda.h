// The optimiser on the CUDA device (cuda/optim.h). A template, so that a build without that device leaves it out.
#pragma once

#include <cstring>

#include "autograd/node.h"
#include "cuda/device.h"
#include "cuda/optim.h"
#include "train/updater.h"

namespace az::train {

/// All that a step needs lies at fixed addresses on the device: enqueue() only launches kernels.
template <class T>
class CudaUpdater final : public Updater {
 public:
  CudaUpdater(const OptimizerOptions& options, std::vector<Slot> all, cuda::CudaDevice& device)
      : Updater(std::move(all)), options_(options), device_(device) {
    std::vector<cuda::OptimChunk> chunks;
    for (size_t p = 0; p < slots().size(); ++p)
      for (int64_t at = 0; at < slots()[p].first.numel(); at += cuda::kOptimChunk)
        chunks.push_back({static_cast<int32_t>(p), static_cast<int32_t>(at / cuda::kOptimChunk)});
    chunk_count_ = static_cast<int64_t>(chunks.size());
    chunks_ = bytes_of(chunks);
    const int64_t count = parameter_count();
    table_ = Tensor::empty({count * int64_t{sizeof(cuda::OptimParameter<T>)}}, DType::u8, device);
    gradients_ = Tensor::zeros({count}, DType::i64, device);
    steps_ = Tensor::zeros({count}, DType::i64, device);
    updates_ = Tensor::empty({count * cuda::kOptimUpdateBytes}, DType::u8, device);
    parts_ = Tensor::empty({chunk_count_}, DType::f64, device);
    lr_ = Tensor::zeros({1}, DType::f64, device);
    status_ = Tensor::zeros({int64_t{sizeof(cuda::OptimStatus)}}, DType::u8, device);
  }

  void prepare(double lr) override {
    std::vector<cuda::OptimParameter<T>> table;
    for (Slot& slot : slots()) table.push_back(entry(slot));
    if (!same(table, uploaded_)) {
      device_.copy_from_host(table_.mutable_raw(), table.data(), table_.bytes());
      uploaded_ = std::move(table);
    }
    device_.copy_from_host(lr_.mutable_raw(), &lr, sizeof lr);
  }

  void enqueue(const Tensor& loss) override {
    std::vector<const void*> gradients;
    for (Slot& slot : slots()) {
      const Tensor gradient = autograd::grad(*slot.parameter.tensor);
      gradients.push_back(gradient.defined() ? gradient.template data<T>() : nullptr);
      entry(slot);  // for the version: the values change now, as they did in prepare() for a graph that replays
    }
    auto* pointers = static_cast<const void**>(gradients_.mutable_raw());
    cuda::set_pointers(device_.stream(), gradients.data(), parameter_count(), pointers);
    cuda::OptimTable<T> table = device_table();
    if (options_.loss_limit > 0 && loss.defined()) table.loss = loss.template data<T>();
    if (options_.kind == OptimizerKind::sgd) {
      cuda::sgd_step(device_.stream(), table, options_.momentum, options_.clip_norm);
    } else {
      const bool decoupled = options_.kind == OptimizerKind::adamw;
      cuda::adam_step(device_.stream(), table, {options_.beta1, options_.beta2, options_.eps, decoupled},
                      options_.clip_norm);
    }
  }

  UpdateReport report() override {
    cuda::OptimStatus status;
    device_.copy_to_host(&status, status_.raw(), sizeof status);
    device_.fill_zero(status_.mutable_raw(), sizeof status);
    return {status.norm, status.steps, status.failed_step, status.skipped,
            status.failed_step ? status.failed_parameter : -1};
  }

  std::vector<int64_t> steps() const override { return steps_.to_vector<int64_t>(); }
  void set_steps(const std::vector<int64_t>& steps) override {
    device_.copy_from_host(steps_.mutable_raw(), steps.data(), steps_.bytes());
  }

 private:
  using Entry = cuda::OptimParameter<T>;

  int64_t parameter_count() const { return static_cast<int64_t>(slots().size()); }

  /// A parameter's addresses, to be written to.
  static Entry entry(Slot& slot) {
    return {slot.parameter.tensor->template mutable_data<T>(),
            slot.first.template mutable_data<T>(),
            slot.second.defined() ? slot.second.template mutable_data<T>() : nullptr,
            slot.first.numel(),
            slot.parameter.rule.lr_mult,
            slot.weight_decay};
  }

  static bool same(const std::vector<Entry>& a, const std::vector<Entry>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Entry& x, const Entry& y) {
      return x.value == y.value && x.first == y.first && x.second == y.second;  // the rest never changes
    });
  }

  template <class V>
  Tensor bytes_of(const std::vector<V>& values) {
    Tensor t = Tensor::empty({static_cast<int64_t>(values.size() * sizeof(V))}, DType::u8, device_);
    device_.copy_from_host(t.mutable_raw(), values.data(), t.bytes());
    return t;
  }

  cuda::OptimTable<T> device_table() {
    return {static_cast<const Entry*>(table_.raw()),
            static_cast<const cuda::OptimChunk*>(chunks_.raw()),
            static_cast<const T**>(gradients_.mutable_raw()),
            steps_.mutable_data<int64_t>(),
            updates_.mutable_raw(),
            parts_.mutable_data<double>(),
            lr_.data<double>(),
            static_cast<cuda::OptimStatus*>(status_.mutable_raw()),
            nullptr,
            options_.loss_limit,
            parameter_count(),
            chunk_count_};
  }

  OptimizerOptions options_;
  cuda::CudaDevice& device_;
  std::vector<Entry> uploaded_;  // what table_ holds
  int64_t chunk_count_ = 0;
  Tensor table_, chunks_, gradients_, steps_, updates_, parts_, lr_, status_;
};

}  // namespace az::train
