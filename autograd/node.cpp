#include "autograd/node.h"

#include <algorithm>
#include <atomic>
#include <queue>
#include <utility>

#include "autograd/accumulate.h"
#include "tensor/error.h"

namespace az::autograd {
namespace {

thread_local bool recording = true;  // the one global that style.md allows

Meta* meta_of(const Tensor& t) { return static_cast<Meta*>(t.grad_meta().get()); }

}  // namespace

const Tensor& Saved::get(const char* op) const {
  AZ_CHECK(tensor_.version() == version_,
           "{}: {} was edited in place after the op saved it for backward; clone it before editing", op, tensor_.str());
  return tensor_;
}

Tensor* Node::leaf_sum(size_t input) {
  if (!needs(input) || inputs_[input]->node || !inputs_[input]->grad.is_only_owner()) return nullptr;
  return &inputs_[input]->grad;
}

Arrived Node::take_arrived(size_t input, Cuts cuts) {
  if (!needs(input) || !inputs_[input]->node) return {};
  const Node& maker = *inputs_[input]->node;
  Output& output = inputs_[input]->node->outputs_[static_cast<size_t>(inputs_[input]->output)];
  Arrived taken{std::exchange(output.sum, {}), {}};
  const bool rest_is_cut = !taken.sum.defined() || output.cut;
  if (cuts == Cuts::all || (cuts == Cuts::written && rest_is_cut)) taken.relu = maker.relu_output();
  output.cut = taken.relu.defined();
  return taken;
}

/// A gradient that joins others is cut in the same pass.
void Node::deliver(Output& output, Tensor gradient) {
  if (!output.sum.defined()) {
    output.sum = std::move(gradient);
  } else {
    const Tensor relu = relu_output();
    accumulate(output.sum, std::move(gradient), relu);
    output.cut = relu.defined();
  }
}

Cost Node::cost(const Grads& dy) const {
  Cost cost;
  for (const Tensor& t : dy)
    if (t.defined()) cost.bytes_read += static_cast<double>(t.bytes());
  cost.bytes_written = cost.bytes_read;
  return cost;
}

bool grad_enabled() { return recording; }

NoGrad::NoGrad() : before_(std::exchange(recording, false)) {}
NoGrad::~NoGrad() { recording = before_; }

void set_requires_grad(Tensor& t, bool wanted) {
  AZ_CHECK(!meta_of(t) || !meta_of(t)->node, "set_requires_grad: {} is the result of an op, not a leaf", t.str());
  t.set_grad_meta(wanted ? std::make_shared<Meta>() : nullptr);
}

bool requires_grad(const Tensor& t) { return t.grad_meta() != nullptr; }

Tensor grad(const Tensor& leaf) { return meta_of(leaf) ? meta_of(leaf)->grad : Tensor(); }

void clear_grad(Tensor& leaf) {
  if (meta_of(leaf)) meta_of(leaf)->grad = Tensor();
}

bool wants_record(const std::vector<Tensor>& inputs) {
  if (!recording) return false;
  for (const Tensor& t : inputs)
    if (requires_grad(t)) return true;
  return false;
}

void attach(std::shared_ptr<Node> node, const std::vector<Tensor>& inputs, std::vector<Tensor*> outputs) {
  static std::atomic<uint64_t> count{0};
  node->id_ = ++count;
  node->outputs_.resize(outputs.size());
  for (const Tensor& t : inputs) node->inputs_.push_back(std::static_pointer_cast<Meta>(t.grad_meta()));
  for (size_t i = 0; i < outputs.size(); ++i) {
    auto meta = std::make_shared<Meta>();
    meta->node = node;
    meta->output = static_cast<int>(i);
    outputs[i]->set_grad_meta(std::move(meta));
  }
}

/// Walks the graph from the newest node to the oldest: every consumer of a node has run before it.
class Engine {
 public:
  void run(const Tensor& root) {
    Meta* meta = meta_of(root);
    AZ_CHECK(meta && root.numel() == 1, "backward: wants one element that depends on a leaf, got {}", root.str());
    deliver(*meta, Tensor::full(root.shape(), 1.0, root.dtype(), root.device()));
    while (!queue_.empty()) {
      const std::shared_ptr<Node> node = queue_.top();
      queue_.pop();
      step(*node);
    }
  }

 private:
  struct Older {
    bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const { return a->id_ < b->id_; }
  };

  void step(Node& node) {
    Grads dy;
    for (Node::Output& output : node.outputs_) dy.push_back(std::move(output.sum));
    Grads dx = backward(node, dy);
    AZ_CHECK(dx.size() == node.inputs_.size(), "backward: {} returned {} gradients for {} inputs", node.name_,
             dx.size(), node.inputs_.size());
    const auto inputs = std::move(node.inputs_);
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i] && dx[i].defined()) deliver(*inputs[i], std::move(dx[i]));
  }

  static Grads backward(Node& node, const Grads& dy) {
    const auto some = std::ranges::find_if(dy, [](const Tensor& t) { return t.defined(); });
    const ProfileSpan span(some->device(), node.name_, [&] {
      return SpanDetail{.shape = some->shape().str(),
                        .dtype = dtype_name(some->dtype()),
                        .cost = node.cost(dy),
                        .weight = node.layer()};
    });
    return node.backward(dy);
  }

  void deliver(Meta& meta, Tensor gradient) {
    if (!meta.node) {
      accumulate(meta.grad, std::move(gradient));
      return;
    }
    if (!std::exchange(meta.node->queued_, true)) queue_.push(meta.node);
    meta.node->deliver(meta.node->outputs_[static_cast<size_t>(meta.output)], std::move(gradient));
  }

  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, Older> queue_;
};

void backward(const Tensor& root) {
  const NoGrad off;
  const ProfilePhase phase(root.device(), Phase::backward);
  Engine().run(root);
}

}  // namespace az::autograd
