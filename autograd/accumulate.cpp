#include "autograd/accumulate.h"

#include "cpu/elementwise.h"
#include "cuda/build.h"
#include "cuda/device.h"
#include "cuda/elementwise.h"
#include "tensor/error.h"
#include "tensor/profiler.h"

namespace az::autograd {
namespace {

template <class T>
void add(const Tensor& a, const Tensor& b, Tensor& y) {
  if (y.device().kind() == DeviceKind::cpu) {
    cpu::add(a.data<T>(), b.data<T>(), y.mutable_data<T>(), y.numel());
  } else if constexpr (cuda::kBuilt) {
    cuda::add(cuda::device_of(y.device()).stream(), a.data<T>(), b.data<T>(), y.mutable_data<T>(), y.numel());
  }
}

}  // namespace

void accumulate(Tensor& sum, Tensor gradient) {
  if (!sum.defined()) {
    sum = std::move(gradient);
    return;
  }
  AZ_CHECK(sum.shape() == gradient.shape() && sum.dtype() == gradient.dtype(),
           "backward: gradients {} and {} of one tensor do not match", sum.str(), gradient.str());
  const ProfileSpan span(sum.device(), "gradient sum", [&] {
    const auto bytes = static_cast<double>(sum.bytes());
    return SpanDetail{
        .shape = sum.shape().str(),
        .dtype = dtype_name(sum.dtype()),
        .cost = {.flops = static_cast<double>(sum.numel()), .bytes_read = 2 * bytes, .bytes_written = bytes}};
  });
  // What nobody else holds takes the total.
  Tensor total = sum.is_only_owner()        ? sum
                 : gradient.is_only_owner() ? gradient
                                            : Tensor::empty(sum.shape(), sum.dtype(), sum.device());
  switch (sum.dtype()) {
    case DType::f32: add<float>(sum, gradient, total); break;
    case DType::bf16: add<bf16>(sum, gradient, total); break;
    case DType::f16: add<f16>(sum, gradient, total); break;
    case DType::f64: add<double>(sum, gradient, total); break;
    default: fail("backward: gradients {} and {} are of no floating type", sum.str(), gradient.str());
  }
  sum = std::move(total);
}

}  // namespace az::autograd
