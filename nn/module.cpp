#include "nn/module.h"

#include <algorithm>
#include <set>

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

class SetTraining final : public Visitor {
 public:
  explicit SetTraining(bool on) : on_(on) {}
  void parameter(const std::string&, Tensor&) override {}
  void buffer(const std::string&, Tensor&) override {}
  void module(const std::string&, Module& m) override { m.set_training(on_); }

 private:
  bool on_;
};

/// A file's tensor, convolution weights in OIHW, into one of ours.
void load(const Tensor& value, Tensor& ours) {
  const Tensor converted = value.to(ours.dtype());
  const auto on_host = [](const Tensor& t) { return t.device().kind() == DeviceKind::cpu; };
  if (value.rank() != 4) return ours.copy_from(converted);
  if (!on_host(value) || !on_host(ours)) return ours.copy_from(oihw_to_ohwi(converted));
  const int64_t bytes = dtype_bytes(ours.dtype()), row = ours.numel() / std::max<int64_t>(ours.dim(0), 1) * bytes;
  const auto* from = static_cast<const char*>(converted.raw());
  auto* to = static_cast<char*>(ours.mutable_raw());
  constexpr int64_t kGrain_bytes = 65536;
  cpu::parallel_for(ours.dim(0), kGrain_bytes / (row + 1) + 1, [&](int64_t begin, int64_t end) {
    const Shape part{end - begin, value.dim(1), value.dim(2), value.dim(3)};
    oihw_to_ohwi(from + begin * row, part, bytes, to + begin * row);
  });
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
    const Tensor& value = found->second;
    const Shape shape = value.rank() == 4 ? oihw_to_ohwi(value.shape()) : value.shape();
    if (shape == e.tensor->shape()) {
      load(value, *e.tensor);
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

}  // namespace az::nn
