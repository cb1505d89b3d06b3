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
void add(const Tensor& a, const Tensor& b, const Tensor& relu, Tensor& y) {
  const T* cut = relu.defined() ? relu.data<T>() : nullptr;
  if (y.device().kind() == DeviceKind::cpu) {
    if (cut) return cpu::add_cut(a.data<T>(), b.data<T>(), cut, y.mutable_data<T>(), y.numel());
    cpu::add(a.data<T>(), b.data<T>(), y.mutable_data<T>(), y.numel());
  } else if constexpr (cuda::kBuilt) {
    auto& stream = cuda::device_of(y.device()).stream();
    if (cut) return cuda::add_cut(stream, a.data<T>(), b.data<T>(), cut, y.mutable_data<T>(), y.numel());
    cuda::add(stream, a.data<T>(), b.data<T>(), y.mutable_data<T>(), y.numel());
  }
}

}  // namespace

void accumulate(Tensor& sum, Tensor gradient, const Tensor& relu) {
  if (!sum.defined()) {
    sum = std::move(gradient);
    return;
  }
  AZ_CHECK(sum.shape() == gradient.shape() && sum.dtype() == gradient.dtype(),
           "backward: gradients {} and {} of one tensor do not match", sum.str(), gradient.str());
  AZ_CHECK(!relu.defined() || (relu.shape() == sum.shape() && relu.dtype() == sum.dtype()),
           "backward: a gradient {} of a ReLU's result {}", sum.str(), relu.str());
  const ProfileSpan span(sum.device(), "gradient sum", [&] {
    const auto bytes = static_cast<double>(sum.bytes());
    return SpanDetail{.shape = sum.shape().str(),
                      .dtype = dtype_name(sum.dtype()),
                      .cost = {.flops = static_cast<double>(sum.numel()),
                               .bytes_read = (relu.defined() ? 3 : 2) * bytes,
                               .bytes_written = bytes}};
  });
  // What nobody else holds takes the total.
  Tensor total = sum.is_only_owner()        ? sum
                 : gradient.is_only_owner() ? gradient
                                            : Tensor::empty(sum.shape(), sum.dtype(), sum.device());
  switch (sum.dtype()) {
    case DType::f32: add<float>(sum, gradient, relu, total); break;
    case DType::bf16: add<bf16>(sum, gradient, relu, total); break;
    case DType::f16: add<f16>(sum, gradient, relu, total); break;
    case DType::f64: add<double>(sum, gradient, relu, total); break;
    default: fail("backward: gradients {} and {} are of no floating type", sum.str(), gradient.str());
  }
  sum = std::move(total);
}

}  // namespace az::autograd
