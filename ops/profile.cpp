#include "ops/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cpu/device.h"
#include "math/winograd.h"
#include "tensor/error.h"

namespace az::ops {
namespace {

using cpu::ConvAlgorithm;
using cpu::ConvPass;

/// The algorithm of a pass on the CPU; none where there is no choice.
std::optional<ConvAlgorithm> chosen(const math::ConvShape& shape, ConvPass pass, const Tensor& activations) {
  const DType dtype = activations.dtype();
  if (activations.device().kind() != DeviceKind::cpu || (dtype != DType::f32 && dtype != DType::bf16)) return {};
  const auto& device = static_cast<const cpu::CpuDevice&>(activations.device());
  if (device.exact()) return {};
  return cpu::conv_algorithm(shape, pass, dtype, device.winograd());
}

const char* name_of(std::optional<ConvAlgorithm> algorithm, const Tensor& activations) {
  if (algorithm) return cpu::conv_algorithm_name(*algorithm);
  const Device& device = activations.device();
  const bool exact = device.kind() == DeviceKind::cpu && static_cast<const cpu::CpuDevice&>(device).exact();
  return exact ? "exact" : "";
}

/// Of `images` maps of rows x columns outputs, for each input and output channel.
template <class Tile>
int64_t winograd_products(int64_t images, int64_t rows, int64_t columns) {
  constexpr int64_t kOut = Tile::kOut;
  return Tile::kProducts * images * ((rows + kOut - 1) / kOut) * ((columns + kOut - 1) / kOut);
}

double element_bytes(const Tensor& t) { return static_cast<double>(dtype_bytes(t.dtype())); }

}  // namespace

Cost conv_cost(const math::ConvShape& s, ConvPass pass, double activation_bytes, double weight_bytes, double more,
               ConvAlgorithm algorithm) {
  const double x = activation_bytes * static_cast<double>(s.x_count());
  const double y = activation_bytes * static_cast<double>(s.y_count());
  const double w = weight_bytes * static_cast<double>(s.w_count());
  Cost cost{.flops = s.flops()};
  switch (pass) {
    case ConvPass::forward:
      cost.bytes_read = x + w + more * y;
      cost.bytes_written = y;
      break;
    case ConvPass::backward_data:
      cost.bytes_read = y + w + more * x;
      cost.bytes_written = x;
      break;
    case ConvPass::backward_weights:
      cost.bytes_read = x + y;
      cost.bytes_written = w;
      break;
  }
  const bool data = pass == ConvPass::backward_data;
  const int64_t rows = data ? s.h : s.oh(), columns = data ? s.w : s.ow();
  int64_t products = 0;
  switch (algorithm) {
    case ConvAlgorithm::winograd2: products = winograd_products<math::Winograd2x2>(s.n, rows, columns); break;
    case ConvAlgorithm::winograd4: products = winograd_products<math::Winograd4x4>(s.n, rows, columns); break;
    case ConvAlgorithm::winograd4_stride2:
      products = winograd_products<math::Winograd4x4Stride2>(s.n, rows, columns);
      break;
    default: break;
  }
  cost.executed_flops = 2 * static_cast<double>(products * s.c * s.k);
  return cost;
}

SpanDetail conv_detail(const math::ConvShape& s, ConvPass pass, const Tensor& activations, uint64_t weight,
                       double more) {
  const auto algorithm = chosen(s, pass, activations);
  const double element = element_bytes(activations);
  return {.shape = fmt::format("[{}, {}, {}, {}] {}x{}{}{} -> {}", s.n, s.h, s.w, s.c, s.r, s.s,
                               s.stride > 1 ? fmt::format("/{}", s.stride) : "",
                               s.dilation > 1 ? fmt::format(" dilated {}", s.dilation) : "", s.k),
          .dtype = dtype_name(activations.dtype()),
          .cost = conv_cost(s, pass, element, pass == ConvPass::backward_weights ? std::max(element, 4.0) : element,
                            more, algorithm.value_or(ConvAlgorithm::direct)),
          .algorithm = name_of(algorithm, activations),
          .weight = weight};
}

SpanDetail conv_levels_detail(std::span<const math::ConvShape> shapes, const Tensor& activations, uint64_t weight) {
  AZ_CHECK(!shapes.empty(), "profile: a convolution of no maps");
  const auto& largest = *std::ranges::max_element(shapes, {}, &math::ConvShape::y_count);
  SpanDetail whole = conv_detail(largest, ConvPass::forward, activations, weight);
  if (shapes.size() > 1) whole.shape += fmt::format(", {} levels", shapes.size());
  const auto algorithm = chosen(largest, ConvPass::forward, activations).value_or(ConvAlgorithm::direct);
  const double element = element_bytes(activations);
  whole.cost = {};
  for (const auto& shape : shapes) {
    // Weights are read once for all levels.
    const Cost one =
        conv_cost(shape, ConvPass::forward, element, &shape == shapes.data() ? element : 0, 0, algorithm);
    whole.cost.flops += one.flops;
    whole.cost.bytes_read += one.bytes_read;
    whole.cost.bytes_written += one.bytes_written;
    whole.cost.executed_flops += one.executed_flops;
  }
  return whole;
}

}  // namespace az::ops
