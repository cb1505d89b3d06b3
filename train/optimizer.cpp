#include "train/optimizer.h"

#include <cmath>
#include <set>

#include "autograd/node.h"
#include "cpu/optim.h"
#include "math/optim.h"
#include "ops/dispatch.h"

namespace az::train {
namespace {

/// Whether `(bn|gn)<digits>?.(weight|bias)` occurs in the name, the dot standing for any one character.
bool names_norm(std::string_view name) {
  for (size_t at = 0; at + 2 <= name.size(); ++at) {
    if (name.substr(at, 2) != "bn" && name.substr(at, 2) != "gn") continue;
    size_t end = at + 2;
    while (end < name.size() && name[end] >= '0' && name[end] <= '9') ++end;
    if (end == name.size()) continue;
    const std::string_view rest = name.substr(end + 1);
    if (rest.starts_with("weight") || rest.starts_with("bias")) return true;
  }
  return false;
}

}  // namespace

OptimizerKind optimizer_kind(std::string_view name) {
  if (name == "sgd") return OptimizerKind::sgd;
  if (name == "adam") return OptimizerKind::adam;
  if (name == "adamw") return OptimizerKind::adamw;
  fail("optimizer: unknown kind '{}'; want sgd, adam or adamw", name);
}

ParamRule polarmask_rule(std::string_view name) {
  if (names_norm(name)) return {1, 1};
  if (name.ends_with(".bias")) return {2, 0};
  return {1, 1};
}

ParamRule matrix_decay_rule(const Shape& shape) { return {1, shape.rank() >= 2 ? 1.0 : 0.0}; }

Optimizer::Optimizer(const OptimizerOptions& options, std::vector<Parameter> parameters) : options_(options) {
  const auto below_one = [](double v) { return v >= 0 && v < 1; };
  AZ_CHECK(below_one(options.momentum) && below_one(options.beta1) && below_one(options.beta2),
           "optimizer: momentum {}, beta1 {}, beta2 {}; want values in [0, 1)", options.momentum, options.beta1,
           options.beta2);
  AZ_CHECK(options.eps >= 0 && options.weight_decay >= 0 && options.clip_norm >= 0,
           "optimizer: eps {}, weight_decay {}, clip_norm {}; want values of 0 or more", options.eps,
           options.weight_decay, options.clip_norm);
  std::set<std::string> names;
  for (Parameter& p : parameters) {
    AZ_CHECK(p.tensor != nullptr && p.tensor->defined(), "optimizer: parameter '{}' has no tensor", p.name);
    ops::check_float("optimizer", p.name.c_str(), *p.tensor);
    AZ_CHECK(p.tensor->dtype() == parameters[0].tensor->dtype(), "optimizer: parameter '{}' is {}, but '{}' is {}",
             p.name, p.tensor->str(), parameters[0].name, parameters[0].tensor->str());
    ops::check_same_device("optimizer", *p.tensor, *parameters[0].tensor);
    AZ_CHECK(names.insert(p.name).second, "optimizer: two parameters are called '{}'", p.name);
  }
  for (Parameter& p : parameters) slots_.push_back({std::move(p), {}, {}, 0});
}

double Optimizer::step(double lr) {
  AZ_CHECK(std::isfinite(lr) && lr >= 0, "optimizer: rate {}; want a finite value of 0 or more", lr);
  if (slots_.empty()) return 0;
  return ops::on_cpu("optimizer", *slots_[0].parameter.tensor, [&](auto t) { return step_typed<decltype(t)>(lr); });
}

template <class T>
double Optimizer::step_typed(double lr) {
  std::vector<Slot*> active;
  std::vector<cpu::ParameterView<T>> views;
  for (Slot& slot : slots_) {
    const Tensor gradient = autograd::grad(*slot.parameter.tensor);
    if (!gradient.defined()) continue;
    active.push_back(&slot);
    // The leaf keeps the gradient alive until zero_grad().
    views.push_back({nullptr, gradient.data<T>(), nullptr, nullptr, gradient.numel(), slot.steps + 1,
                     lr * slot.parameter.rule.lr_mult, options_.weight_decay * slot.parameter.rule.decay_mult});
  }
  const std::span<const cpu::ParameterView<T>> all(views);
  const double norm = cpu::gradient_norm(all);
  if (!std::isfinite(norm))
    for (size_t i = 0; i < views.size(); ++i)
      AZ_CHECK(std::isfinite(cpu::gradient_norm(all.subspan(i, 1))),
               "optimizer: the gradient of '{}' is not finite; lower the rate or look for the input that caused it",
               active[i]->parameter.name);
  for (size_t i = 0; i < views.size(); ++i) {
    Slot& slot = *active[i];
    const Tensor& value = *slot.parameter.tensor;
    for (const auto& entry : tensors_of(slot)) {
      Tensor& state = slot.*entry.second;
      if (!state.defined()) state = Tensor::zeros(value.shape(), value.dtype(), value.device());
    }
    views[i].value = slot.parameter.tensor->template mutable_data<T>();
    views[i].first = slot.first.template mutable_data<T>();
    if (slot.second.defined()) views[i].second = slot.second.template mutable_data<T>();
    ++slot.steps;
  }
  const double factor = math::clip_factor(norm, options_.clip_norm);
  if (options_.kind == OptimizerKind::sgd) {
    cpu::sgd_update(all, options_.momentum, factor);
  } else {
    const bool decoupled = options_.kind == OptimizerKind::adamw;
    cpu::adam_update(all, {options_.beta1, options_.beta2, options_.eps, decoupled}, factor);
  }
  return norm;
}

void Optimizer::zero_grad() {
  for (Slot& slot : slots_) autograd::clear_grad(*slot.parameter.tensor);
}

std::vector<std::pair<std::string, Tensor Optimizer::Slot::*>> Optimizer::tensors_of(const Slot& slot) const {
  if (options_.kind == OptimizerKind::sgd) return {{"momentum/" + slot.parameter.name, &Slot::first}};
  return {{"exp_avg/" + slot.parameter.name, &Slot::first}, {"exp_avg_sq/" + slot.parameter.name, &Slot::second}};
}

std::map<std::string, Tensor> Optimizer::state() const {
  std::map<std::string, Tensor> state;
  for (const Slot& slot : slots_) {
    if (slot.steps == 0) continue;
    for (const auto& [name, member] : tensors_of(slot)) state[name] = (slot.*member).clone();
    if (options_.kind != OptimizerKind::sgd)
      state["step/" + slot.parameter.name] = Tensor::from(std::vector<int64_t>{slot.steps}, {1}, slot.first.device());
  }
  return state;
}

void Optimizer::load_state(const std::map<std::string, Tensor>& state) {
  std::vector<Slot> loaded;
  size_t used = 0;
  for (const Slot& slot : slots_) {
    Slot next{slot.parameter, {}, {}, 0};
    const Tensor& value = *slot.parameter.tensor;
    const auto entries = tensors_of(slot);
    size_t found = 0;
    for (const auto& [name, member] : entries) {
      const auto at = state.find(name);
      if (at == state.end()) continue;
      AZ_CHECK(at->second.defined() && at->second.shape() == value.shape() && at->second.dtype() == value.dtype(),
               "optimizer: state '{}' is {}, want the shape and dtype of its parameter, {}", name, at->second.str(),
               value.str());
      next.*member = at->second.to(value.device()).clone();
      ++found;
    }
    const std::string step_name = "step/" + slot.parameter.name;
    const auto step = options_.kind == OptimizerKind::sgd ? state.end() : state.find(step_name);
    const bool has_steps = options_.kind == OptimizerKind::sgd ? found > 0 : step != state.end();
    AZ_CHECK((found == entries.size() && has_steps) || (found == 0 && !has_steps),
             "optimizer: the state of '{}' is incomplete; it was saved by another kind of optimiser or cut off",
             slot.parameter.name);
    if (found > 0) next.steps = 1;
    if (step != state.end()) {
      const Tensor& count = step->second;
      AZ_CHECK(
          count.defined() && count.dtype() == DType::i64 && count.numel() == 1 && count.to_vector<int64_t>()[0] >= 1,
          "optimizer: state '{}' is {}, want one i64 of 1 or more", step_name, count.str());
      next.steps = count.to_vector<int64_t>()[0];
    }
    used += found + (step != state.end() ? 1 : 0);
    loaded.push_back(std::move(next));
  }
  if (used != state.size()) fail_unknown(state);
  slots_ = std::move(loaded);
}

void Optimizer::fail_unknown(const std::map<std::string, Tensor>& state) const {
  std::set<std::string> known;
  for (const Slot& slot : slots_) {
    for (const auto& entry : tensors_of(slot)) known.insert(entry.first);
    if (options_.kind != OptimizerKind::sgd) known.insert("step/" + slot.parameter.name);
  }
  for (const auto& entry : state)
    AZ_CHECK(known.contains(entry.first), "optimizer: state '{}' belongs to no parameter of this optimiser",
             entry.first);
}

}  // namespace az::train
