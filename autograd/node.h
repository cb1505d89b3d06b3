// The tape: typed nodes that hold what their backward needs.
//
// An op computes at once and, if a gradient may be wanted, pushes a node. Edges go from a node to its inputs' metas and
// from a meta to the node that made it, never back, so a graph is freed with its last tensor. No closures.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tensor/profiler.h"
#include "tensor/tensor.h"

namespace az::autograd {

/// One gradient an input or output; an undefined tensor stands for zero.
using Grads = std::vector<Tensor>;

class Node;
class OnnxRule;  // autograd/onnx.h

/// What a tensor that takes part in differentiation carries.
struct Meta final : GradMeta {
  std::shared_ptr<Node> node;  ///< who made it; null for a leaf
  int output = 0;              ///< which of the node's outputs it is
  Tensor grad;                 ///< of a leaf: the sum of what backward() brought
};

/// A tensor kept for backward, with its storage's version: an in-place edit in between is an error, not a wrong
/// gradient.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& t) : tensor_(t.detached()), version_(t.version()) {}
  /// The tensor. Error: it was written to since it was saved.
  const Tensor& get(const char* op) const;
  bool defined() const { return tensor_.defined(); }
  uint64_t storage_id() const { return tensor_.storage_id(); }

 private:
  Tensor tensor_;
  uint64_t version_ = 0;
};

/// What a backward may do on its way, where it writes the gradient of an input that another op made.
struct Arrived {
  Tensor sum;   ///< gradients from other consumers so far, to be added; undefined: none
  Tensor relu;  ///< then 0 where this is not above 0; undefined: no cut
};

class Node {
 public:
  explicit Node(const char* name) : name_(name) {}
  virtual ~Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Gradients of the inputs from those of the outputs, in the order of record(). An entry of `dy` is undefined where
  /// nothing came back; an entry of the result may be undefined where needs(i) is false or the gradient is zero.
  virtual Grads backward(const Grads& dy) = 0;
  /// What backward() has to do beside spans of its own; unless a node knows better, it reads dy and writes as much.
  virtual Cost cost(const Grads& dy) const;
  /// The result of the ReLU that ends an op of one output: its gradient counts where this is above 0 alone, and whoever
  /// sends it may cut it (take_arrived). Undefined: no such ReLU.
  virtual Tensor relu_output() const { return {}; }
  /// Storage id of the weight that names the layer; 0: none.
  virtual uint64_t layer() const { return 0; }
  /// Writes what the op computed in ONNX's operators (autograd/onnx.h). Error: the op has no rule.
  virtual void onnx(OnnxRule& rule) const;

  const char* name() const { return name_; }
  /// Grows in the order of recording, which is a topological order.
  uint64_t id() const { return id_; }
  /// Who made the inputs; null where no gradient is wanted.
  const std::vector<std::shared_ptr<Meta>>& inputs() const { return inputs_; }
  bool needs(size_t input) const { return input < inputs_.size() && inputs_[input] != nullptr; }

 protected:
  /// Where the gradients of an input that is a leaf have been summed so far, for a backward that adds its own there and
  /// returns an undefined one; null where it has to return it: no leaf, none so far, or shared storage.
  Tensor* leaf_sum(size_t input);

  /// What a backward can cut: nothing; the elements that it writes, while it leaves others of the sum alone, or makes
  /// them 0; all.
  enum class Cuts : uint8_t { none, written, all };
  /// Takes what has arrived for an input, to be added, and the ReLU of the op that made it, if it can be cut by that.
  /// The backward must return the total. A leaf has nothing to take.
  Arrived take_arrived(size_t input, Cuts cuts);
  /// Whether dy is 0 already where relu_output() is not above 0.
  bool dy_is_cut() const { return outputs_.size() == 1 && outputs_[0].cut; }

 private:
  friend void attach(std::shared_ptr<Node>, const std::vector<Tensor>&, std::vector<Tensor*>);
  friend class Engine;

  /// The gradient of an output, on its way.
  struct Output {
    Tensor sum;        ///< of what has arrived
    bool cut = false;  ///< sum is 0 where relu_output() is not above 0
  };
  void deliver(Output& output, Tensor gradient);

  const char* name_;
  uint64_t id_ = 0;
  std::vector<std::shared_ptr<Meta>> inputs_;
  std::vector<Output> outputs_;
  bool queued_ = false;
};

/// Whether ops record. Thread-local, on by default.
bool grad_enabled();

/// Turns recording off for a scope.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// Makes `t` a leaf that collects gradients (or stops it from doing so).
void set_requires_grad(Tensor& t, bool wanted);
/// Whether a gradient may flow to or through `t`.
bool requires_grad(const Tensor& t);
/// A leaf's collected gradient; undefined before backward().
Tensor grad(const Tensor& leaf);
void clear_grad(Tensor& leaf);

/// Ties outputs to a node; used by record().
void attach(std::shared_ptr<Node> node, const std::vector<Tensor>& inputs, std::vector<Tensor*> outputs);

bool wants_record(const std::vector<Tensor>& inputs);

/// Pushes a node of type N(args...) that made `y` from `inputs`, if recording is on and an input wants a gradient.
/// Undefined inputs are allowed and keep their position.
template <class N, class... Args>
Tensor record(Tensor y, const std::vector<Tensor>& inputs, Args&&... args) {
  if (wants_record(inputs)) attach(std::make_shared<N>(std::forward<Args>(args)...), inputs, {&y});
  return y;
}

/// The same for several outputs.
template <class N, class... Args>
std::vector<Tensor> record_all(std::vector<Tensor> outputs, const std::vector<Tensor>& inputs, Args&&... args) {
  if (wants_record(inputs)) {
    std::vector<Tensor*> pointers;
    for (Tensor& y : outputs) pointers.push_back(&y);
    attach(std::make_shared<N>(std::forward<Args>(args)...), inputs, pointers);
  }
  return outputs;
}

/// Back-propagates from `root`, a single element whose gradient is 1, and adds to the leaves' gradients. Each node is
/// freed as soon as it has run; a graph can be walked once. Error: `root` has no graph or several elements.
void backward(const Tensor& root);

}  // namespace az::autograd
