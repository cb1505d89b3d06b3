#include "autograd/onnx.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "tensor/error.h"

namespace az::autograd {
namespace {

const Meta* meta_of(const Tensor& t) { return static_cast<const Meta*>(t.grad_meta().get()); }

bool same_value(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

OnnxValue described(const std::string& name, const Tensor& t) {
  AZ_CHECK(t.defined() && (t.dtype() == DType::f32 || t.dtype() == DType::i32) && t.device().kind() == DeviceKind::cpu,
           "onnx: {} is {}, want f32 or i32 on the CPU", name, t.str());
  return {name, t.dtype(), onnx_shape(t.shape())};
}

/// The nodes that the metas depend on, in the order of recording.
std::vector<const Node*> nodes_behind(std::vector<const Meta*> metas) {
  std::map<uint64_t, const Node*> found;
  while (!metas.empty()) {
    const Node* node = metas.back()->node.get();
    metas.pop_back();
    if (!node || !found.emplace(node->id(), node).second) continue;
    for (const auto& input : node->inputs())
      if (input) metas.push_back(input.get());
  }
  std::vector<const Node*> nodes;
  for (const auto& [id, node] : found) nodes.push_back(node);
  return nodes;
}

}  // namespace

void Node::onnx(OnnxRule&) const {
  fail("onnx: the op {} has no rule; write its node's onnx() (autograd/onnx.h), or export a part without it", name_);
}

Shape onnx_shape(const Shape& s) { return s.rank() == 4 ? Shape{s[0], s[3], s[1], s[2]} : s; }

class OnnxBuilder {
 public:
  OnnxBuilder(const std::string& name, const NamedTensors& inputs, const std::map<uint64_t, std::string>& weights)
      : weights_(weights) {
    AZ_CHECK(!inputs.empty(), "onnx: the graph {} has no inputs", name);
    graph_.name = name;
    device_ = &inputs[0].second.device();
    for (const auto& [input, tensor] : inputs) {
      graph_.inputs.push_back(described(input, tensor));
      if (const Meta* meta = meta_of(tensor)) {
        AZ_CHECK(!meta->node, "onnx: the input {} is the result of an op, not a leaf", input);
        leaves_[meta] = input;
      }
      inputs_[tensor.storage_id()] = input;
    }
  }

  OnnxGraph take(const NamedTensors& outputs) {
    std::vector<const Meta*> metas;
    for (const auto& [name, tensor] : outputs) {
      AZ_CHECK(tensor.defined() && meta_of(tensor) && meta_of(tensor)->node,
               "onnx: nothing recorded leads to the output {}, {}", name, tensor.str());
      metas.push_back(meta_of(tensor));
    }
    for (const Node* node : nodes_behind(metas)) {
      OnnxRule rule(*this, *node);
      node->onnx(rule);
      AZ_CHECK(values_.contains(node), "onnx: the rule of {} gave no result", node->name());
    }
    for (const auto& [name, tensor] : outputs) add_output(name, tensor);
    return std::move(graph_);
  }

  std::string value_of(const Node& node, size_t i) const {
    AZ_CHECK(node.needs(i), "onnx: input {} of {} depends on no input of the graph", i, node.name());
    const Meta* meta = node.inputs()[i].get();
    if (meta->node) return values_.at(meta->node.get());
    const auto leaf = leaves_.find(meta);
    AZ_CHECK(leaf != leaves_.end(), "onnx: input {} of {} is a leaf that is no input of the graph; freeze the network",
             i, node.name());
    return leaf->second;
  }
  std::string input_or_constant(const Tensor& t) {
    const auto input = inputs_.find(t.storage_id());
    return input != inputs_.end() ? input->second : constant(name_of(t, "constant"), t);
  }
  std::string name_of(const Tensor& t, const std::string& otherwise) const {
    const auto name = weights_.find(t.storage_id());
    return name != weights_.end() ? name->second : otherwise;
  }
  std::string constant(const std::string& wanted, const Tensor& value) {
    for (int number = 1;; ++number) {
      const std::string name = number == 1 ? wanted : fmt::format("{}_{}", wanted, number);
      const auto [at, is_new] = constants_.emplace(name, graph_.constants.size());
      if (is_new) graph_.constants.push_back({name, value.detached()});
      if (same_value(graph_.constants[at->second].value, value)) return name;
    }
  }
  std::string integers(const std::vector<int64_t>& values) {
    return constant("integers", Tensor::from(values, {static_cast<int64_t>(values.size())}, *device_));
  }
  std::string add(const Node& from, const char* type, std::vector<std::string> inputs,
                  std::vector<OnnxAttribute> attributes) {
    const size_t number = graph_.nodes.size();
    OnnxNode node{type, fmt::format("{}_{}", from.name(), number), std::move(inputs), fmt::format("value_{}", number),
                  std::move(attributes)};
    return graph_.nodes.emplace_back(std::move(node)).output;
  }
  void set_result(const Node& node, const std::string& value) { values_[&node] = value; }

 private:
  /// Gives the value its name. One that has a name of its own, as an input or another output, is copied.
  void add_output(const std::string& name, const Tensor& tensor) {
    graph_.outputs.push_back(described(name, tensor));
    const Meta* meta = meta_of(tensor);
    const std::string value = values_.at(meta->node.get());
    const auto has_name = [&](const OnnxValue& v) { return v.name == value; };
    if (std::ranges::any_of(graph_.inputs, has_name) || std::ranges::any_of(graph_.outputs, has_name)) {
      graph_.nodes.push_back({"Identity", "identity_" + name, {value}, name, {}});
      return;
    }
    for (auto& [node, own] : values_)
      if (own == value) own = name;
    for (OnnxNode& node : graph_.nodes) {
      std::ranges::replace(node.inputs, value, name);
      if (node.output == value) node.output = name;
    }
  }

  OnnxGraph graph_;
  Device* device_ = nullptr;
  std::map<const Meta*, std::string> leaves_;
  std::map<uint64_t, std::string> inputs_;  // by storage id
  const std::map<uint64_t, std::string>& weights_;
  std::map<const Node*, std::string> values_;
  std::map<std::string, size_t> constants_;
};

std::string OnnxRule::input(size_t i) const { return builder_.value_of(node_, i); }
std::string OnnxRule::saved(const Tensor& t) { return builder_.input_or_constant(t); }
std::string OnnxRule::name_of(const Tensor& t, const std::string& otherwise) const {
  return builder_.name_of(t, otherwise);
}
std::string OnnxRule::constant(const std::string& name, const Tensor& value) { return builder_.constant(name, value); }
std::string OnnxRule::integers(const std::vector<int64_t>& values) { return builder_.integers(values); }
std::string OnnxRule::add(const char* type, std::vector<std::string> inputs, std::vector<OnnxAttribute> attributes) {
  return builder_.add(node_, type, std::move(inputs), std::move(attributes));
}
std::string OnnxRule::nearest(const std::string& value, const Shape& ours) {
  const Shape to = onnx_shape(ours);
  const auto dims = to.dims();
  // Absent inputs (a region and scales) have empty names.
  return add("Resize", {value, "", "", integers({dims.begin(), dims.end()})},
             {{"coordinate_transformation_mode", "asymmetric"}, {"mode", "nearest"}, {"nearest_mode", "floor"}});
}
void OnnxRule::result(const std::string& value) { builder_.set_result(node_, value); }

OnnxGraph onnx_graph(const std::string& name, const NamedTensors& inputs, const NamedTensors& outputs,
                     const std::map<uint64_t, std::string>& weights) {
  return OnnxBuilder(name, inputs, weights).take(outputs);
}

}  // namespace az::autograd
