#include "tests/support/grad_check.h"

#include <cmath>

#include "autograd/node.h"
#include "ops/reduce.h"
#include "tensor/error.h"
#include "tensor/rng.h"

#ifdef AZ_CUDA_EMULATED
#include "cuda/emulator/coverage.h"
#endif

namespace az::test {

Tensor uniform(const Shape& shape, double low, double high, DType dtype, Device& device, uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (double& v : values) v = rng.uniform(low, high);
  return Tensor::from(values, shape, device).to(dtype);
}

GradCheck check_gradients(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
                          double eps, int64_t samples) {
#ifdef AZ_CUDA_EMULATED
  const cuda::emulator::GradientCheckScope scope;
#endif
  std::vector<Tensor> leaves;
  for (const Tensor& x : inputs) {
    leaves.push_back(x.defined() && x.dtype() == DType::f64 ? x.clone() : x);
    if (x.defined() && x.dtype() == DType::f64) autograd::set_requires_grad(leaves.back(), true);
  }
  const Tensor y = f(leaves);
  const Tensor w = uniform(y.shape(), 0.5, 1.5, DType::f64, y.device(), 99);
  autograd::backward(ops::weighted_sum(y, w));
  const auto weights = w.to_vector<double>();
  const auto outputs = [&](const std::vector<Tensor>& at) {
    const autograd::NoGrad off;
    return f(at).to_vector<double>();
  };
  GradCheck result;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined() || inputs[i].dtype() != DType::f64) continue;
    const Tensor gradient = autograd::grad(leaves[i]);
    const auto analytic = gradient.defined() ? gradient.to_vector<double>()
                                             : std::vector<double>(static_cast<size_t>(inputs[i].numel()), 0.0);
    const int64_t count = inputs[i].numel();
    const int64_t stride = std::max<int64_t>(1, count / samples);
    for (int64_t e = 0; e < count; e += stride) {
      const auto shifted = [&](double by) {
        std::vector<Tensor> at = inputs;
        auto values = inputs[i].to_vector<double>();
        values[static_cast<size_t>(e)] += by;
        at[i] = Tensor::from(values, inputs[i].shape(), inputs[i].device());
        return outputs(at);
      };
      // The difference is taken before the sum, so that unchanged outputs add no rounding.
      const auto above = shifted(eps);
      const auto below = shifted(-eps);
      double numeric = 0;
      for (size_t o = 0; o < above.size(); ++o) numeric += (above[o] - below[o]) * weights[o];
      numeric /= 2 * eps;
      const double exact = analytic[static_cast<size_t>(e)];
      const double error = std::abs(numeric - exact) / std::max({1.0, std::abs(numeric), std::abs(exact)});
      if (!(error <= result.worst)) {
        result.worst = error;
        result.where = fmt::format("input {} element {}: analytic {} numeric {}", i, e, exact, numeric);
      }
    }
  }
  return result;
}

}  // namespace az::test
