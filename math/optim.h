// One parameter's update, in PyTorch's order of operations. Constants are computed in double and rounded once.
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/hd.h"

namespace az::math {

/// Factor for all gradients so that their common L2 norm is at most `max_norm` (torch.nn.utils.clip_grad_norm_).
/// max_norm <= 0: no limit.
AZ_HD inline double clip_factor(double norm, double max_norm) {
  if (max_norm <= 0) return 1;
  const double factor = max_norm / (norm + 1e-6);
  return factor < 1 ? factor : 1;
}

/// g += decay * p; v = momentum * v + g, or g the first time; p -= lr * v   (torch.optim.SGD, no dampening)
template <class T>
struct SgdUpdate {
  T lr, momentum, decay, gradient_factor;
  AZ_HD void first(T& p, T gradient, T& velocity) const {
    velocity = gradient * gradient_factor + decay * p;
    p -= lr * velocity;
  }
  AZ_HD void next(T& p, T gradient, T& velocity) const {
    velocity = momentum * velocity + (gradient * gradient_factor + decay * p);
    p -= lr * velocity;
  }
};

/// Adam (Kingma & Ba, ICLR 2015) and AdamW (Loshchilov & Hutter, ICLR 2019), as torch.optim writes them:
///   Adam: g += decay * p.   AdamW: p *= 1 - lr * decay.
///   m += (1 - beta1) * (g - m);  v = beta2 * v + (1 - beta2) * g * g
///   p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
template <class T>
struct AdamUpdate {
  T keep, decay, mean_weight, beta2, square_weight, root_correction, eps, step_size, gradient_factor;

  /// The t-th update (from 1) of one parameter.
  AZ_HD AdamUpdate(double lr, double weight_decay, bool decoupled, double beta1, double b2, double epsilon, int64_t t,
                   double factor)
      : keep(static_cast<T>(decoupled ? 1 - lr * weight_decay : 1)),
        decay(static_cast<T>(decoupled ? 0 : weight_decay)),
        mean_weight(static_cast<T>(1 - beta1)),
        beta2(static_cast<T>(b2)),
        square_weight(static_cast<T>(1 - b2)),
        root_correction(static_cast<T>(std::sqrt(1 - std::pow(b2, static_cast<double>(t))))),
        eps(static_cast<T>(epsilon)),
        step_size(static_cast<T>(lr / (1 - std::pow(beta1, static_cast<double>(t))))),
        gradient_factor(static_cast<T>(factor)) {}

  AZ_HD void operator()(T& p, T gradient, T& mean, T& square) const {
    const T g = gradient * gradient_factor + decay * p;
    mean += mean_weight * (g - mean);
    square = beta2 * square + square_weight * g * g;
    p = p * keep - step_size * mean / (std::sqrt(square) / root_correction + eps);
  }
};

}  // namespace az::math
