#include "nn/module.h"

#include <set>
#include <utility>

#include "autograd/node.h"
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

LoadReport load_state_dict(Module& module, const std::map<std::string, Tensor>& state) {
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
    const Tensor value =
        (found->second.rank() == 4 ? oihw_to_ohwi(found->second) : found->second).to(e.tensor->dtype());
    if (value.shape() == e.tensor->shape()) {
      e.tensor->copy_from(value);
    } else {
      wrong += fmt::format("{}{} is {} in the file and {} in the network", wrong.empty() ? "" : "; ", e.name,
                           value.shape().str(), e.tensor->shape().str());
    }
  }
  AZ_CHECK(wrong.empty(), "load: shapes differ: {}", wrong);
  for (const auto& [name, t] : state)
    if (!used.contains(name)) report.unused.push_back(name);
  return report;
}

}  // namespace az::nn
