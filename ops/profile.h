// What ops tell a profiler of themselves (tensor/profiler.h).
#pragma once

#include <span>

#include "cpu/conv_algorithm.h"
#include "math/conv.h"
#include "tensor/profiler.h"
#include "tensor/tensor.h"

namespace az::ops {

/// Bytes of a tensor; 0 if it is undefined.
inline double bytes_of(const Tensor& t) { return t.defined() ? static_cast<double>(t.bytes()) : 0; }

/// A span's detail with `x` as the largest operand; `weight` names the layer.
inline SpanDetail detail(const Tensor& x, const Cost& cost, const Tensor& weight = {}) {
  return {.shape = x.shape().str(), .dtype = dtype_name(x.dtype()), .cost = cost, .weight = weight.storage_id()};
}

/// `flops` for each element of x, which is read with `more` tensors of its size and written `written` times.
inline Cost map_cost(const Tensor& x, double flops, int more = 0, int written = 1) {
  return {.flops = flops * static_cast<double>(x.numel()),
          .bytes_read = bytes_of(x) * (1 + more),
          .bytes_written = bytes_of(x) * written};
}

/// Cost of a pass over activations of `activation_bytes` and weights of `weight_bytes` an element; `more` are operands
/// beside them in sizes of the result: a residual, another gradient, a mask. Winograd's algorithms multiply fewer
/// points for each started tile of outputs than the formula has products (math/winograd.h); their transforms are not
/// counted.
Cost conv_cost(const math::ConvShape& shape, cpu::ConvPass pass, double activation_bytes, double weight_bytes,
               double more = 0, cpu::ConvAlgorithm algorithm = cpu::ConvAlgorithm::direct);

/// A span's detail of a pass on the device of `activations`, with the algorithm that this device takes; `weight` is the
/// storage id of its weights. They are of the activations' type, but gradients of weights are at least f32.
SpanDetail conv_detail(const math::ConvShape& shape, cpu::ConvPass pass, const Tensor& activations, uint64_t weight,
                       double more = 0);
/// The same of maps of several sizes that share weights in one call, which take the algorithm of the largest.
SpanDetail conv_levels_detail(std::span<const math::ConvShape> shapes, const Tensor& activations, uint64_t weight);

}  // namespace az::ops
