#include "train/optimizer.h"

#include <cmath>
#include <set>
#include <span>
#include <utility>

#include "autograd/node.h"
#include "ops/dispatch.h"
#include "tensor/profiler.h"
#include "train/updater.h"

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

/// The state tensors of a slot by name.
std::vector<std::pair<std::string, Tensor Slot::*>> tensors_of(const Slot& slot) {
  if (!slot.second.defined()) return {{"momentum/" + slot.parameter.name, &Slot::first}};
  return {{"exp_avg/" + slot.parameter.name, &Slot::first}, {"exp_avg_sq/" + slot.parameter.name, &Slot::second}};
}

std::string step_name(const Slot& slot) { return "step/" + slot.parameter.name; }

/// A slot's entry of that name for tensor `value`; null if there is none. Error: of another shape or dtype.
const Tensor* find_state(const std::map<std::string, Tensor>& state, const std::string& name, const Tensor& value) {
  const auto at = state.find(name);
  if (at == state.end()) return nullptr;
  AZ_CHECK(at->second.defined() && at->second.shape() == value.shape() && at->second.dtype() == value.dtype(),
           "optimizer: state '{}' is {}, want the shape and dtype of its parameter, {}", name, at->second.str(),
           value.str());
  return &at->second;
}

/// The slot's count of updates in a state; 0 if there is none.
int64_t loaded_steps(const std::map<std::string, Tensor>& state, const Slot& slot) {
  const auto step = state.find(step_name(slot));
  if (step == state.end()) return 0;
  const Tensor& count = step->second;
  AZ_CHECK(count.defined() && count.dtype() == DType::i64 && count.numel() == 1 && count.to_vector<int64_t>()[0] >= 1,
           "optimizer: state '{}' is {}, want one i64 of 1 or more", step->first, count.str());
  return count.to_vector<int64_t>()[0];
}

/// Reports the first entry that belongs to no parameter.
void check_known(const std::map<std::string, Tensor>& state, std::span<const Slot> slots) {
  std::set<std::string> known;
  for (const Slot& slot : slots) {
    for (const auto& entry : tensors_of(slot)) known.insert(entry.first);
    if (slot.second.defined()) known.insert(step_name(slot));
  }
  for (const auto& entry : state)
    AZ_CHECK(known.contains(entry.first), "optimizer: state '{}' belongs to no parameter of this optimiser",
             entry.first);
}

[[noreturn]] void fail_not_finite(const UpdateReport& report, std::span<const Slot> slots) {
  const int64_t ago = report.updates - report.failed_update;
  fail("optimizer: {}the gradient of {} {} not finite; lower the rate or look for the input that caused it",
       ago ? fmt::format("{} updates ago ", ago) : "",
       report.failed_parameter < 0
           ? "all parameters together"
           : fmt::format("'{}'", slots[static_cast<size_t>(report.failed_parameter)].parameter.name),
       ago ? "was" : "is");
}

/// An update reads gradients twice (once for their norm), values and state once, and writes values and state.
SpanDetail update_detail(std::span<const Slot> slots) {
  double values = 0, state = 0, count = 0;
  for (const Slot& slot : slots) {
    if (!autograd::grad(*slot.parameter.tensor).defined()) continue;
    const auto bytes = static_cast<double>(slot.first.bytes());
    count += static_cast<double>(slot.first.numel());
    values += bytes;
    state += slot.second.defined() ? 2 * bytes : bytes;
  }
  const double each = slots[0].second.defined() ? 14 : 8;  // of Adam and SGD, the norm included
  return {.shape = fmt::format("{:.0f} parameters", count),
          .dtype = dtype_name(slots[0].first.dtype()),
          .cost = {.flops = each * count, .bytes_read = 3 * values + state, .bytes_written = values + state}};
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

Optimizer::Optimizer(const OptimizerOptions& options, std::vector<Parameter> parameters)
    : loss_limit_(options.loss_limit) {
  const auto below_one = [](double v) { return v >= 0 && v < 1; };
  AZ_CHECK(below_one(options.momentum) && below_one(options.beta1) && below_one(options.beta2),
           "optimizer: momentum {}, beta1 {}, beta2 {}; want values in [0, 1)", options.momentum, options.beta1,
           options.beta2);
  AZ_CHECK(options.eps >= 0 && options.weight_decay >= 0 && options.clip_norm >= 0 && options.loss_limit >= 0,
           "optimizer: eps {}, weight_decay {}, clip_norm {}, loss_limit {}; want values of 0 or more", options.eps,
           options.weight_decay, options.clip_norm, options.loss_limit);
  std::set<std::string> names;
  for (Parameter& p : parameters) {
    AZ_CHECK(p.tensor != nullptr && p.tensor->defined(), "optimizer: parameter '{}' has no tensor", p.name);
    ops::check_float("optimizer", p.name.c_str(), *p.tensor);
    AZ_CHECK(p.tensor->dtype() == parameters[0].tensor->dtype(), "optimizer: parameter '{}' is {}, but '{}' is {}",
             p.name, p.tensor->str(), parameters[0].name, parameters[0].tensor->str());
    ops::check_same_device("optimizer", *p.tensor, *parameters[0].tensor);
    AZ_CHECK(names.insert(p.name).second, "optimizer: two parameters are called '{}'", p.name);
  }
  std::vector<Slot> slots;
  for (Parameter& p : parameters) {
    const auto zeros = [&] { return Tensor::zeros(p.tensor->shape(), p.tensor->dtype(), p.tensor->device()); };
    const double decay = options.weight_decay * p.rule.decay_mult;
    slots.push_back({p, zeros(), options.kind == OptimizerKind::sgd ? Tensor() : zeros(), decay});
  }
  if (!slots.empty()) updater_ = make_updater(options, std::move(slots));
}

Optimizer::~Optimizer() = default;
Optimizer::Optimizer(Optimizer&&) noexcept = default;
Optimizer& Optimizer::operator=(Optimizer&&) noexcept = default;

double Optimizer::step(double lr) {
  prepare(lr);
  enqueue();
  return norm();
}

void Optimizer::prepare(double lr) {
  AZ_CHECK(std::isfinite(lr) && lr >= 0, "optimizer: rate {}; want a finite value of 0 or more", lr);
  if (updater_) updater_->prepare(lr);
}

void Optimizer::enqueue(const Tensor& loss) {
  if (!updater_) return;
  if (loss_limit_ > 0 && loss.defined()) {
    const Tensor& parameter = *updater_->slots()[0].parameter.tensor;
    AZ_CHECK(loss.numel() == 1 && loss.dtype() == parameter.dtype(), "optimizer: the loss is {}, want one {}",
             loss.str(), dtype_name(parameter.dtype()));
    ops::check_same_device("optimizer", loss, parameter);
  }
  Device& device = updater_->slots()[0].first.device();
  const ProfilePhase phase(device, Phase::optimizer);
  const ProfileSpan span(device, "optimizer", [&] { return update_detail(updater_->slots()); });
  updater_->enqueue(loss);
}

double Optimizer::norm() {
  if (!updater_) return 0;
  const UpdateReport report = updater_->report();
  skipped_ = report.skipped;
  if (report.failed_update) fail_not_finite(report, updater_->slots());
  return report.norm;
}

void Optimizer::zero_grad() {
  if (!updater_) return;
  for (Slot& slot : updater_->slots()) autograd::clear_grad(*slot.parameter.tensor);
}

std::map<std::string, Tensor> Optimizer::state() const {
  std::map<std::string, Tensor> state;
  if (!updater_) return state;
  const std::vector<int64_t> steps = updater_->steps();
  for (size_t i = 0; i < steps.size(); ++i) {
    const Slot& slot = updater_->slots()[i];
    if (steps[i] == 0) continue;
    for (const auto& [name, member] : tensors_of(slot)) state[name] = (slot.*member).clone();
    if (slot.second.defined())
      state[step_name(slot)] = Tensor::from(std::vector<int64_t>{steps[i]}, {1}, slot.first.device());
  }
  return state;
}

void Optimizer::load_state(const std::map<std::string, Tensor>& state) {
  std::vector<Slot> none;
  std::vector<Slot>& slots = updater_ ? updater_->slots() : none;
  std::vector<int64_t> steps;
  for (const Slot& slot : slots) {  // all is checked before anything changes
    const auto entries = tensors_of(slot);
    size_t found = 0;
    for (const auto& entry : entries) found += find_state(state, entry.first, *slot.parameter.tensor) != nullptr;
    const bool counts = slot.second.defined();  // SGD only needs to know whether there was an update
    const int64_t count = counts ? loaded_steps(state, slot) : int64_t{found > 0};
    AZ_CHECK((found == entries.size() && count > 0) || (found == 0 && count == 0),
             "optimizer: the state of '{}' is incomplete; it was saved by another kind of optimiser or cut off",
             slot.parameter.name);
    steps.push_back(count);
  }
  check_known(state, slots);
  for (Slot& slot : slots)
    for (const auto& [name, member] : tensors_of(slot)) {
      Tensor& value = slot.*member;
      const Tensor* loaded = find_state(state, name, value);
      value.copy_from(loaded ? *loaded : Tensor::zeros(value.shape(), value.dtype(), value.device()));
    }
  if (updater_) updater_->set_steps(steps);
}

}  // namespace az::train
