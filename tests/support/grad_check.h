// Gradient checks in double precision.
#pragma once

#include <functional>
#include <vector>

#include "tensor/tensor.h"

namespace az::test {

/// Values uniform in [low, high), the same for the same seed.
Tensor uniform(const Shape& shape, double low, double high, DType dtype, Device& device, uint64_t seed = 7);

struct GradCheck {
  double worst = 0;  ///< largest |analytic - numeric| / max(1, |analytic|, |numeric|)
  std::string where;
};

/// Compares the gradients of sum(f(inputs) * w), w fixed and random, with central differences of step `eps`, for every
/// f64 input and at most `samples` elements of each. Inputs of other types are passed through.
GradCheck check_gradients(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
                          double eps = 1e-5, int64_t samples = 40);

}  // namespace az::test
