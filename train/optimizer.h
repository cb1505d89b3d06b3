// Optimisers with PyTorch's formulas and state names.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
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

class Optimizer {
 public:
  /// Errors: no tensor, a name twice, dtypes that are not all f32 or all f64, options out of range.
  Optimizer(const OptimizerOptions& options, std::vector<Parameter> parameters);

  /// One update at rate `lr` from the leaves' gradients, clipped as configured. Parameters without a gradient are left
  /// alone, state included, as in PyTorch. Returns the L2 norm of all gradients before clipping.
  /// Errors: a gradient that is not finite (nothing has changed then, the message names the first such parameter), or a
  /// negative rate.
  double step(double lr);
  /// Drops the leaves' gradients.
  void zero_grad();

  /// A copy of the state: "momentum/NAME" (sgd), "exp_avg/NAME", "exp_avg_sq/NAME" and "step/NAME" (i64 [1]; adam,
  /// adamw). A parameter that was never updated has no entry. Loading it and going on gives the same bits.
  std::map<std::string, Tensor> state() const;
  /// Replaces the state. Error: an entry that belongs to no parameter, of another shape or dtype, or half of a pair.
  void load_state(const std::map<std::string, Tensor>& state);

 private:
  struct Slot {
    Parameter parameter;
    Tensor first;       // momentum, or mean of gradients; undefined before the first update
    Tensor second;      // mean of squared gradients
    int64_t steps = 0;  // updates so far
  };

  template <class T>
  double step_typed(double lr);
  /// The state tensors of a slot by name.
  std::vector<std::pair<std::string, Tensor Slot::*>> tensors_of(const Slot& slot) const;
  /// Reports the first entry that belongs to no parameter.
  void fail_unknown(const std::map<std::string, Tensor>& state) const;

  OptimizerOptions options_;
  std::vector<Slot> slots_;
};

}  // namespace az::train
