#include "ops/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cpu/device.h"
#include "cpu/winograd.h"

namespace az::ops {

Cost conv_cost(const math::ConvShape& s, ConvSpan pass, double activation_bytes, double weight_bytes, bool residual,
               bool winograd) {
  const double x = activation_bytes * static_cast<double>(s.x_count());
  const double y = activation_bytes * static_cast<double>(s.y_count());
  const double w = weight_bytes * static_cast<double>(s.w_count());
  Cost cost{.flops = s.flops()};
  switch (pass) {
    case ConvSpan::forward:
      cost.bytes_read = x + w + (residual ? y : 0);
      cost.bytes_written = y;
      break;
    case ConvSpan::data_gradient:
      cost.bytes_read = y + w;
      cost.bytes_written = x;
      break;
    case ConvSpan::weight_gradient:
      cost.bytes_read = x + y;
      cost.bytes_written = w;
      break;
  }
  if (winograd) {
    const bool forward = pass == ConvSpan::forward;
    const int64_t rows = forward ? s.oh() : s.h, columns = forward ? s.ow() : s.w;
    const auto tiles = static_cast<double>(s.n * ((rows + 3) / 4) * ((columns + 3) / 4));
    cost.executed_flops = 2.0 * 36 * tiles * static_cast<double>(s.c * s.k);
  }
  return cost;
}

SpanDetail conv_detail(const math::ConvShape& s, ConvSpan pass, const Tensor& activations, uint64_t weight,
                       bool residual) {
  bool winograd = false;
  const char* algorithm = "";
  if (activations.device().kind() == DeviceKind::cpu && activations.dtype() == DType::f32) {
    const auto& device = static_cast<const cpu::CpuDevice&>(activations.device());
    math::ConvShape as = s;
    if (pass == ConvSpan::data_gradient) std::swap(as.c, as.k);
    winograd = !device.exact() && device.winograd() && pass != ConvSpan::weight_gradient &&
               cpu::winograd_simd() != cpu::WinogradSimd::none && cpu::winograd_fits(as) && cpu::winograd_pays(as);
    algorithm = device.exact() ? "exact" : winograd ? "winograd 4x4" : "direct";
  }
  const auto element = static_cast<double>(dtype_bytes(activations.dtype()));
  const double weight_element = pass == ConvSpan::weight_gradient ? std::max(element, 4.0) : element;
  return {.shape = fmt::format("[{}, {}, {}, {}] {}x{}{}{} -> {}", s.n, s.h, s.w, s.c, s.r, s.s,
                               s.stride > 1 ? fmt::format("/{}", s.stride) : "",
                               s.dilation > 1 ? fmt::format(" dilated {}", s.dilation) : "", s.k),
          .dtype = dtype_name(activations.dtype()),
          .cost = conv_cost(s, pass, element, weight_element, residual, winograd),
          .algorithm = algorithm,
          .weight = weight};
}

}  // namespace az::ops
