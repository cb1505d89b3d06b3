// ONNX graphs from the tape: what a network did once, as a graph that other programs run.
//
// Each node of the tape writes itself (Node::onnx) with what an OnnxRule offers. A tensor of rank 4 is NHWC here and
// NCHW in the graph, from its inputs on, so that no rule ever transposes a value; convolution weights are OIHW. What a
// node saved, and no gradient was wanted of, is a constant of the graph.
// Source: github.com/onnx/onnx, docs/IR.md and docs/Operators.md at operator set 13.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "autograd/node.h"

namespace az::autograd {

struct OnnxAttribute {
  const char* name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>> value;
};

/// One operator with one output.
struct OnnxNode {
  const char* type;  ///< "Conv"
  std::string name;
  std::vector<std::string> inputs;  ///< names of values
  std::string output;
  std::vector<OnnxAttribute> attributes;
};

/// An input or output of a graph.
struct OnnxValue {
  std::string name;
  DType dtype;
  Shape shape;  ///< NCHW where the rank is 4
};

struct OnnxConstant {
  std::string name;
  Tensor value;  ///< in ONNX's layouts
};

struct OnnxGraph {
  std::string name;
  std::vector<OnnxValue> inputs, outputs;
  std::vector<OnnxConstant> constants;
  std::vector<OnnxNode> nodes;  ///< each after those whose outputs it takes
};

/// Tensors in an order, with the names that a graph gives them.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// A tensor's shape in a graph.   [n, h, w, c] -> [n, c, h, w]; other ranks as they are
Shape onnx_shape(const Shape& ours);

/// The graph that leads from `inputs` to `outputs`.
///
/// inputs   leaves that require a gradient (set_requires_grad), or tensors that nodes saved, as the cells of a window
/// outputs  what ops made of them, recorded: not under NoGrad
/// weights  names of the constants, by storage id; others are numbered
/// Errors: an op without a rule, which is named; an output that does not depend on an input; a tensor that is not f32
///         or i32
OnnxGraph onnx_graph(const std::string& name, const NamedTensors& inputs, const NamedTensors& outputs,
                     const std::map<uint64_t, std::string>& weights = {});

class OnnxBuilder;

/// What a node's rule writes with. A rule ends with result().
class OnnxRule {
 public:
  OnnxRule(OnnxBuilder& builder, const Node& node) : builder_(builder), node_(node) {}

  /// The value that the node took as input i. Error: it is a constant.
  std::string input(size_t i) const;
  /// A tensor that the node saved: an input of the graph, or else a constant as it lies in memory.
  std::string saved(const Tensor& t);
  /// The name that a weight has in its network, or `otherwise`.
  std::string name_of(const Tensor& weight, const std::string& otherwise) const;
  /// A constant. Equal values under one name are one constant; others get a number behind the name.
  std::string constant(const std::string& name, const Tensor& value);
  /// [count] i64: shapes, axes, paddings.
  std::string integers(const std::vector<int64_t>& values);
  /// Appends an operator; returns its output.
  std::string add(const char* type, std::vector<std::string> inputs, std::vector<OnnxAttribute> attributes = {});
  /// A map's value resized to `ours` [n, h, w, c], where pixel i of an axis is that of floor(i * in / out).
  std::string nearest(const std::string& value, const Shape& ours);
  /// The value that the node's output is.
  void result(const std::string& value);
  /// The same after a ReLU where `relu`.
  void result(const std::string& value, bool relu) { result(relu ? add("Relu", {value}) : value); }

 private:
  OnnxBuilder& builder_;
  const Node& node_;
};

}  // namespace az::autograd
