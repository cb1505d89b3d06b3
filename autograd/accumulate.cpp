#include "autograd/accumulate.h"

#include "cpu/elementwise.h"
#include "tensor/error.h"

namespace az::autograd {

void accumulate(Tensor& sum, Tensor gradient) {
  if (!sum.defined()) {
    sum = std::move(gradient);
    return;
  }
  AZ_CHECK(sum.shape() == gradient.shape() && sum.dtype() == gradient.dtype(),
           "backward: gradients {} and {} of one tensor do not match", sum.str(), gradient.str());
  Tensor total = Tensor::empty(sum.shape(), sum.dtype(), sum.device());
  AZ_CHECK(sum.device().kind() == DeviceKind::cpu, "backward: no kernel adds gradients on {}", sum.device().name());
  if (sum.dtype() == DType::f64) {
    cpu::add(sum.data<double>(), gradient.data<double>(), total.mutable_data<double>(), sum.numel());
  } else {
    cpu::add(sum.data<float>(), gradient.data<float>(), total.mutable_data<float>(), sum.numel());
  }
  sum = std::move(total);
}

}  // namespace az::autograd
