#include "tests/support/loss_check.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "autograd/node.h"
#include "tests/support/grad_check.h"

namespace az::test {

void check_close(const Tensor& got, double want, double tolerance) {
  CHECK(std::abs(got.item() - want) <= tolerance * std::max(1.0, std::abs(want)));
}

void check_loss(const std::function<Tensor(const std::vector<Tensor>&)>& loss, const std::vector<Tensor>& inputs,
                double want, double narrow_tolerance) {
  check_close(loss(inputs), want, 1e-12);
  std::vector<Tensor> narrow;
  for (const Tensor& x : inputs) narrow.push_back(x.to(DType::f32));
  check_close(loss(narrow), want, narrow_tolerance);
  if (inputs[0].numel() == 0) return;
  // An emulated launch takes its time, and gradients are compared with the CPU's too.
  const int64_t samples = inputs[0].device().kind() == DeviceKind::cpu ? 40 : 3;
  const auto check = check_gradients(
      [&](const auto& in) {
        std::vector<Tensor> at = inputs;
        at[0] = in[0];
        return loss(at);
      },
      {inputs[0]}, 1e-5, samples);
  CHECK_MESSAGE(check.worst < 1e-7, check.where);
}

std::vector<double> gradient_of(Tensor x, const std::function<Tensor(const Tensor&)>& loss) {
  autograd::set_requires_grad(x, true);
  autograd::backward(loss(x));
  return autograd::grad(x).to(DType::f64).to_vector<double>();
}

}  // namespace az::test
