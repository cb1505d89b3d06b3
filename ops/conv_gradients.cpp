#include "ops/conv_gradients.h"

#include "cpu/conv_weight_gradient.h"
#include "cpu/elementwise.h"
#include "cpu/reduce.h"
#include "cpu/resize.h"
#include "cuda/conv.h"
#include "cuda/elementwise.h"
#include "cuda/library.h"
#include "cuda/reduce.h"
#include "math/elementwise.h"
#include "ops/dispatch.h"
#include "ops/profile.h"

namespace az::ops::conv {

Tensor masked(const Tensor& y, const Tensor& dy) {
  const ProfileSpan span(dy.device(), "conv2d mask gradient", [&] { return detail(dy, map_cost(dy, 1, 1)); });
  Tensor dz = dy.is_only_owner() ? dy : Tensor::empty(dy.shape(), dy.dtype(), dy.device());
  on_device_bf16(
      "conv2d", dy,
      [&](auto t) {
        using T = decltype(t);
        cpu::map_backward<math::Relu>(y.data<T>(), dy.data<T>(), dz.mutable_data<T>(), dy.numel());
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        cuda::map_backward<math::Relu>(device.stream(), y.data<T>(), dy.data<T>(), dz.mutable_data<T>(), dy.numel());
      });
  return dz;
}

Tensor data_gradient(const ConvShape& d, const Tensor& dy, const Tensor& w, const Tensor& scale, const Tensor& packed,
                     bool learning, const autograd::Arrived& on_way) {
  const ProfileSpan span(dy.device(), "conv2d data gradient", [&] {
    const double part = static_cast<double>(d.oh() * d.ow()) / static_cast<double>(d.h * d.w);  // of a strided 1x1
    return conv_detail(d, cpu::ConvPass::backward_data, dy, w.storage_id(),
                       part * (int{on_way.sum.defined()} + int{on_way.relu.defined()}));
  });
  Tensor dx = may_overwrite(on_way.sum) ? on_way.sum : Tensor::empty({d.n, d.h, d.w, d.c}, dy.dtype(), dy.device());
  on_device_bf16(
      "conv2d", dy,
      [&](auto t) {
        using T = decltype(t);
        cpu::conv_backward_data(cpu_device(dy), d, dy.data<T>(), w.data<Wide<T>>(), data_or_null<Wide<T>>(scale),
                                identity(w, scale, learning), dx.mutable_data<T>(),
                                {data_or_null<T>(on_way.sum), data_or_null<T>(on_way.relu)});
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        device.library().conv_backward_data(d, dy.data<T>(), packed.data<T>(), dx.mutable_data<T>());
      });
  return dx;
}

Tensor weight_gradient(const ConvShape& d, const Tensor& x, const Tensor& dy, const Tensor& scale, uint64_t weight,
                       Tensor* sum) {
  const ProfileSpan span(dy.device(), "conv2d weight gradient",
                         [&] { return conv_detail(d, cpu::ConvPass::backward_weights, x, weight); });
  const bool fused = dy.device().kind() == DeviceKind::cpu && dy.dtype() == DType::f32 && !cpu_device(dy).exact();
  Tensor dw;
  if (!fused || !sum) dw = Tensor::empty({d.k, d.r, d.s, d.c / d.groups}, parameter_type(dy.dtype()), dy.device());
  if (fused) {
    Tensor& to = sum ? *sum : dw;
    cpu::conv_weight_gradient(cpu_device(dy), d, x.data<float>(), dy.data<float>(), data_or_null<float>(scale),
                              sum != nullptr, to.mutable_data<float>());
    return dw;
  }
  const int64_t row = d.r * d.s * (d.c / d.groups);
  on_device_bf16(
      "conv2d", dy,
      [&](auto t) {
        using T = decltype(t);
        auto* values = dw.mutable_data<Wide<T>>();
        cpu::conv_backward_weights(cpu_device(dy), d, x.data<T>(), dy.data<T>(), values);
        if (scale.defined()) cpu::scale_rows(values, scale.data<Wide<T>>(), values, d.k, row);
      },
      [&](auto& device, auto t) {
        using T = decltype(t);
        auto* values = dw.mutable_data<Wide<T>>();
        device.library().conv_backward_weights(d, x.data<T>(), dy.data<T>(), values);
        if (scale.defined()) cuda::scale_rows(device.stream(), values, scale.data<Wide<T>>(), values, d.k, row);
      });
  return dw;
}

Tensor bias_gradient(const Tensor& dy, int64_t k) {
  const ProfileSpan span(dy.device(), "conv2d bias gradient", [&] { return detail(dy, map_cost(dy, 1, 0, 0)); });
  Tensor db = Tensor::empty({k}, parameter_type(dy.dtype()), dy.device());
  const int64_t rows = dy.numel() / k;
  on_device_bf16(
      "conv2d", dy,
      [&](auto t) { cpu::sum_rows(dy.data<decltype(t)>(), db.mutable_data<Wide<decltype(t)>>(), rows, k); },
      [&](auto& device, auto t) {
        using T = decltype(t);
        Tensor parts = Tensor::empty({cuda::sum_rows_parts<T>(rows, k)}, DType::f64, dy.device());
        cuda::sum_rows(device.stream(), dy.data<T>(), db.mutable_data<Wide<T>>(), parts.mutable_data<double>(), rows,
                       k);
      });
  return db;
}

Tensor coarse_gradient(const Tensor& dy) {
  const math::ResizeShape up{dy.dim(0), dy.dim(1) / 2, dy.dim(2) / 2, dy.dim(3), dy.dim(1), dy.dim(2)};
  const ProfileSpan span(dy.device(), "conv2d residual gradient", [&] {
    return detail(
        dy, {.flops = static_cast<double>(dy.numel()), .bytes_read = bytes_of(dy), .bytes_written = bytes_of(dy) / 4});
  });
  Tensor dx = Tensor::empty({up.images, up.h_in, up.w_in, up.channels}, dy.dtype(), dy.device());
  cpu::resize_backward(math::Resize::nearest, dy.data<float>(), dx.mutable_data<float>(), up);
  return dx;
}

}  // namespace az::ops::conv
