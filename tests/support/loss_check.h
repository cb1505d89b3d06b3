// What tests of loss ops share: a value against its reference, and a gradient.
#pragma once

#include <functional>
#include <vector>

#include "tensor/tensor.h"

namespace az::test {

/// CHECKs |got - want| <= tolerance * max(1, |want|) of a scalar.
void check_close(const Tensor& got, double want, double tolerance);

/// CHECKs a loss of f64 inputs against `want` to 1e-12, of f32 inputs to `narrow_tolerance`, and the gradient of the
/// first input against differences.
void check_loss(const std::function<Tensor(const std::vector<Tensor>&)>& loss, const std::vector<Tensor>& inputs,
                double want, double narrow_tolerance);

/// The gradient of loss(x) with respect to x.
std::vector<double> gradient_of(Tensor x, const std::function<Tensor(const Tensor&)>& loss);

}  // namespace az::test
