#include "train/updater.h"

#include <cmath>

#include "autograd/node.h"
#include "cpu/optim.h"
#include "math/optim.h"
#include "ops/dispatch.h"
#include "train/updater_cuda.h"

namespace az::train {
namespace {

/// The host's: an update is done when enqueue() returns.
template <class T>
class HostUpdater final : public Updater {
 public:
  HostUpdater(const OptimizerOptions& options, std::vector<Slot> slots)
      : Updater(std::move(slots)), options_(options), steps_(this->slots().size()) {}

  void prepare(double lr) override { lr_ = lr; }
  std::vector<int64_t> steps() const override { return steps_; }
  void set_steps(const std::vector<int64_t>& steps) override { steps_ = steps; }
  UpdateReport report() override { return std::exchange(report_, {}); }

  void enqueue(const Tensor& loss) override {
    ++report_.updates;
    if (report_.failed_update) return;
    const bool skips = options_.loss_limit > 0 && loss.defined() && !(loss.item() <= options_.loss_limit);
    std::vector<size_t> active;
    std::vector<cpu::ParameterView<T>> views;
    for (size_t i = 0; i < slots().size(); ++i) {
      Slot& slot = slots()[i];
      const Tensor gradient = autograd::grad(*slot.parameter.tensor);
      if (!gradient.defined()) continue;
      active.push_back(i);
      // The leaf keeps the gradient alive until zero_grad().
      views.push_back({nullptr, gradient.data<T>(), nullptr, nullptr, gradient.numel(), steps_[i] + 1,
                       lr_ * slot.parameter.rule.lr_mult, slot.weight_decay});
    }
    report_.norm = cpu::gradient_norm<T>(views);
    report_.skipped += skips;
    if (skips) return;
    if (!std::isfinite(report_.norm)) {
      report_.failed_update = report_.updates;
      report_.failed_parameter = first_not_finite(views, active);
      return;
    }
    for (size_t v = 0; v < views.size(); ++v) {
      Slot& slot = slots()[active[v]];
      views[v].value = slot.parameter.tensor->template mutable_data<T>();
      views[v].first = slot.first.template mutable_data<T>();
      if (slot.second.defined()) views[v].second = slot.second.template mutable_data<T>();
      ++steps_[active[v]];
    }
    apply(views);
  }

 private:
  static int64_t first_not_finite(std::span<const cpu::ParameterView<T>> views, const std::vector<size_t>& active) {
    for (size_t v = 0; v < views.size(); ++v)
      if (!std::isfinite(cpu::gradient_norm(views.subspan(v, 1)))) return static_cast<int64_t>(active[v]);
    return -1;
  }

  void apply(std::span<const cpu::ParameterView<T>> views) {
    const double factor = math::clip_factor(report_.norm, options_.clip_norm);
    if (options_.kind == OptimizerKind::sgd) {
      cpu::sgd_update(views, options_.momentum, factor);
    } else {
      const bool decoupled = options_.kind == OptimizerKind::adamw;
      cpu::adam_update(views, {options_.beta1, options_.beta2, options_.eps, decoupled}, factor);
    }
  }

  OptimizerOptions options_;
  std::vector<int64_t> steps_;
  double lr_ = 0;
  UpdateReport report_;
};

}  // namespace

std::unique_ptr<Updater> make_updater(const OptimizerOptions& options, std::vector<Slot> slots) {
  return ops::on_device(
      "optimizer", *slots[0].parameter.tensor,
      [&](auto t) -> std::unique_ptr<Updater> {
        return std::make_unique<HostUpdater<decltype(t)>>(options, std::move(slots));
      },
      [&](auto& device, auto t) -> std::unique_ptr<Updater> {
        return std::make_unique<CudaUpdater<decltype(t)>>(options, std::move(slots), device);
      });
}

}  // namespace az::train
