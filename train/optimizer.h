// Optimisers with PyTorch's formulas and state names.
//
// A training step that runs as it is calls step(). One that is captured in a CUDA graph splits it:
//
//   optimizer.prepare(lr);   // before each run, outside the capture: the host writes what this step needs
//   graph.run(key, [&] {     // kernels only; recorded once, replayed from then on
//     autograd::backward(loss());
//     optimizer.enqueue();
//     optimizer.zero_grad();
//   });
//   optimizer.norm();        // when the host wants to know, after any number of steps
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace az::train {

enum class OptimizerKind { sgd, adam, adamw };

/// "sgd", "adam" or "adamw". Error: another name.
OptimizerKind optimizer_kind(std::string_view name);

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::sgd;
  double momentum = 0.9;    ///< sgd
  double beta1 = 0.9;       ///< adam, adamw
  double beta2 = 0.999;     ///< adam, adamw
  double eps = 1e-8;        ///< adam, adamw
  double weight_decay = 0;  ///< added to the gradient (sgd, adam) or taken off the parameter (adamw)
  double clip_norm = 0;     ///< largest L2 norm of all gradients together; 0: no limit
  double loss_limit = 0;    ///< an update whose loss is above, or NaN, is skipped, gradients and all; 0: no limit
};

/// What a parameter's name or shape does to its rate and decay.
struct ParamRule {
  double lr_mult = 1;
  double decay_mult = 1;
};

/// PolarMask's groups by state-dict name: `(bn|gn)<digits>.(weight|bias)` 1, 1; else `*.bias` 2, 0; else 1, 1.
/// source: mmdetection 1.x, apis/train.py build_optimizer; specs/polarmask.md section 9
ParamRule polarmask_rule(std::string_view name);
/// Decay for weights of two or more dimensions only: not for norms, biases and scales.
ParamRule matrix_decay_rule(const Shape& shape);

/// One leaf to train. The pointer must stay valid as long as the optimiser.
struct Parameter {
  std::string name;  ///< state-dict name, unique
  Tensor* tensor = nullptr;
  ParamRule rule = {};
};

class Updater;

class Optimizer {
 public:
  /// Makes the state on the parameters' device. Errors: no tensor, a name twice, dtypes that are not all f32 or all
  /// f64, options out of range.
  Optimizer(const OptimizerOptions& options, std::vector<Parameter> parameters);
  ~Optimizer();
  Optimizer(Optimizer&&) noexcept;
  Optimizer& operator=(Optimizer&&) noexcept;

  /// One update at rate `lr` from the leaves' gradients, clipped as configured. Parameters without a gradient are left
  /// alone, state included, as in PyTorch. Returns the L2 norm of all gradients before clipping.
  /// Errors: a gradient that is not finite (nothing has changed then, the message names the first such parameter), or a
  /// negative rate.
  double step(double lr);

  /// step() in its three parts. prepare: sets the rate of the updates that follow; called once before each, also before
  /// each replay of a graph that holds one, never inside a capture. Error: a negative rate.
  void prepare(double lr);
  /// Queues one update from the gradients that the leaves have now; a captured one reads the same addresses whenever it
  /// is replayed. On the CUDA device it launches kernels and neither waits, copies nor allocates. An update whose
  /// gradients are not finite changes nothing, nor do those after it until norm() has reported it.
  /// `loss` [1], of the parameters' type and device: what loss_limit is compared with.
  void enqueue(const Tensor& loss = {});
  /// Waits for the updates so far and returns the norm of the last one's gradients, 0 if there was none since the last
  /// call. Error: one of them had a gradient that is not finite; names the first parameter, and how many updates ago.
  double norm();
  /// How many of the updates that norm() reported last were skipped for their loss.
  int64_t skipped() const { return skipped_; }

  /// Drops the leaves' gradients.
  void zero_grad();

  /// A copy of the state: "momentum/NAME" (sgd), "exp_avg/NAME", "exp_avg_sq/NAME" and "step/NAME" (i64 [1]; adam,
  /// adamw). A parameter that was never updated has no entry. Loading it and going on gives the same bits. Waits.
  std::map<std::string, Tensor> state() const;
  /// Replaces the state, in place: captured graphs stay valid. Error: an entry that belongs to no parameter, of another
  /// shape or dtype, or half of a pair; nothing has changed then.
  void load_state(const std::map<std::string, Tensor>& state);

 private:
  std::unique_ptr<Updater> updater_;  // null without parameters
  double loss_limit_ = 0;
  int64_t skipped_ = 0;
};

}  // namespace az::train
