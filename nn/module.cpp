#include "nn/module.h"

#include <algorithm>
#include <set>
#include <utility>

#include "autograd/node.h"
#include "cpu/parallel.h"
#include "tensor/error.h"
#include "tensor/layout.h"

namespace az::nn {
namespace {

/// Calls f(name, tensor, learned) for every tensor, and visits parts by their full names.
template <class F>
class Walk final : public Visitor {
 public:
  Walk(Module& root, F f) : f_(std::move(f)) { root.visit(*this); }
  void parameter(const std::string& name, Tensor& t) override { f_(prefix_ + name, t, true); }
  void buffer(const std::string& name, Tensor& t) override { f_(prefix_ + name, t, false); }
  void module(const std::string& name, Module& m) override {
    const std::string outer = prefix_;
    if (!name.empty()) prefix_ += name + ".";
    m.visit(*this);
    prefix_ = outer;
  }

 private:
  F f_;
  std::string prefix_;
};

class Find final : public Visitor {
 public:
  Find(Module& root, const std::string& name) : name_(name) { root.visit(*this); }
  void parameter(const std::string&, Tensor&) override {}
  void buffer(const std::string&, Tensor&) override {}
  void module(const std::string& name, Module& m) override {
    const std::string full = prefix_ + name;
    if (full == name_) found = &m;
    const std::string outer = std::exchange(prefix_, name.empty() ? prefix_ : full + ".");
    m.visit(*this);
    prefix_ = outer;
  }
  Module* found = nullptr;

 private:
  std::string name_, prefix_;
};

class SetTraining final : public Visitor {
 public:
  explicit SetTraining(bool on) : on_(on) {}
  void parameter(const std::string&, Tensor&) override {}
  void buffer(const std::string&, Tensor&) override {}
  void module(const std::string&, Module& m) override { m.set_training(on_); }

 private:
  bool on_;
};

bool on_host(const Tensor& t) { return t.device().kind() == DeviceKind::cpu; }

/// f(first, count) over the output channels of a weight [o, ...], in parallel.
template <class F>
void for_channels(const Tensor& weight, const F& f) {
  constexpr int64_t kGrain = 16384;  // elements worth a thread
  const int64_t row = weight.numel() / std::max<int64_t>(weight.dim(0), 1);
  cpu::parallel_for(weight.dim(0), kGrain / (row + 1) + 1, [&](int64_t begin, int64_t end) { f(begin, end - begin); });
}

/// A file's tensor, convolution weights in OIHW, copied into one of ours.
void load(const Tensor& value, Tensor& ours) {
  const Tensor converted = value.to(ours.dtype());
  if (value.rank() != 4) return ours.copy_from(converted);
  if (!on_host(value) || !on_host(ours)) return ours.copy_from(oihw_to_ohwi(converted));
  const int64_t bytes = dtype_bytes(ours.dtype()), row = ours.numel() / std::max<int64_t>(ours.dim(0), 1) * bytes;
  const auto* from = static_cast<const char*>(converted.raw());
  auto* to = static_cast<char*>(ours.mutable_raw());
  for_channels(ours, [&](int64_t first, int64_t count) {
    oihw_to_ohwi(from + first * row, {count, value.dim(1), value.dim(2), value.dim(3)}, bytes, to + first * row);
  });
}

/// Whether `ours` may take the memory of a value that is given away. Only convolution weights: who keeps something made
/// of one knows it by the storage, what is made of other tensors is known by their versions.
bool may_take(const Tensor& value, const Tensor& ours) {
  return value.rank() == 4 && value.dtype() == ours.dtype() && &value.device() == &ours.device() && on_host(value) &&
         value.is_only_owner();
}

/// The value becomes ours; its elements are permuted where they lie.
void take(Tensor value, Tensor& ours) {
  const int64_t bytes = dtype_bytes(value.dtype()), row = value.numel() / std::max<int64_t>(value.dim(0), 1) * bytes;
  auto* at = static_cast<char*>(value.mutable_raw());
  for_channels(value, [&](int64_t first, int64_t count) {
    oihw_to_ohwi_in_place(at + first * row, {count, value.dim(1), value.dim(2), value.dim(3)}, bytes);
  });
  Tensor permuted = value.reshaped(ours.shape());
  permuted.set_grad_meta(ours.grad_meta());
  ours = std::move(permuted);
}

/// give(value, ours) for every tensor of the module that `state`, a map by names, has in the right shape.
template <class State, class Give>
LoadReport load_with(Module& module, State& state, const Give& give) {
  LoadReport report;
  std::set<std::string> used;
  std::string wrong;
  for (const Entry& e : entries(module)) {
    const auto found = state.find(e.name);
    if (found == state.end()) {
      if (!e.name.ends_with("num_batches_tracked")) report.missing.push_back(e.name);
      continue;
    }
    used.insert(e.name);
    auto& value = found->second;
    const Shape shape = value.rank() == 4 ? oihw_to_ohwi(value.shape()) : value.shape();
    if (shape == e.tensor->shape()) {
      give(value, *e.tensor);
    } else {
      wrong += fmt::format("{}{} is {} in the file and {} in the network", wrong.empty() ? "" : "; ", e.name,
                           shape.str(), e.tensor->shape().str());
    }
  }
  AZ_CHECK(wrong.empty(), "load: shapes differ: {}", wrong);
  for (const auto& [name, t] : state)
    if (!used.contains(name)) report.unused.push_back(name);
  return report;
}

}  // namespace

void Module::set_training(bool on) {
  training_ = on;
  SetTraining walk(on);
  visit(walk);
}

std::vector<Entry> entries(Module& module) {
  std::vector<Entry> all;
  Walk(module, [&](const std::string& name, Tensor& t, bool learned) { all.push_back({name, &t, learned}); });
  return all;
}

Module& find_module(Module& root, const std::string& name) {
  const Find find(root, name);
  AZ_CHECK(find.found, "module: none is named {}", name);
  return *find.found;
}

int64_t parameter_count(Module& module) {
  int64_t count = 0;
  for (const Entry& e : entries(module))
    if (e.learned) count += e.tensor->numel();
  return count;
}

void freeze(Module& module) {
  for (const Entry& e : entries(module))
    if (e.learned) autograd::set_requires_grad(*e.tensor, false);
}

std::map<std::string, Tensor> state_dict(Module& module) {
  std::map<std::string, Tensor> state;
  for (const Entry& e : entries(module))
    state[e.name] = e.tensor->rank() == 4 ? ohwi_to_oihw(*e.tensor) : e.tensor->clone();
  return state;
}

std::map<std::string, Shape> state_shapes(Module& module) {
  std::map<std::string, Shape> shapes;
  for (const Entry& e : entries(module)) {
    const Tensor& t = *e.tensor;
    shapes[e.name] = t.rank() == 4 ? Shape{t.dim(0), t.dim(3), t.dim(1), t.dim(2)} : t.shape();
  }
  return shapes;
}

LoadReport load_state_dict(Module& module, const std::map<std::string, Tensor>& state) {
  return load_with(module, state, [](const Tensor& value, Tensor& ours) { load(value, ours); });
}

LoadReport load_state_dict(Module& module, std::map<std::string, Tensor>&& state) {
  return load_with(module, state, [](Tensor& value, Tensor& ours) {
    if (may_take(value, ours)) return take(std::move(value), ours);
    load(value, ours);
    value = Tensor();
  });
}

}  // namespace az::nn
