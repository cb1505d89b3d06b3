#include "cpu/conv_weight_gradient.h"

#include "cpu/conv_algorithm.h"
#include "cpu/dnn.h"
#include "cpu/elementwise.h"
#include "cpu/winograd_filter_gradient.h"

namespace az::cpu {

void conv_weight_gradient(CpuDevice& device, const ConvShape& shape, const float* x, const float* dy,
                          const float* scale, bool add, float* dw) {
  if (shape.y_count() == 0) {
    if (!add) device.fill_zero(dw, shape.w_count() * static_cast<int64_t>(sizeof(float)));
    return;
  }
  auto& dnn = device.dnn();
  if (conv_algorithm(shape, ConvPass::backward_weights, DType::f32, device.winograd()) == ConvAlgorithm::winograd4)
    return winograd_filter_gradient(winograd_simd(), shape, x, dy, scale, add, dnn.winograd_scratch, dw);
  float* gradient = add ? dnn.winograd_unkept.reserve(static_cast<size_t>(shape.w_count())) : dw;
  dnn_conv_backward_weights(device, shape, x, dy, gradient);
  if (scale) scale_rows(gradient, scale, gradient, shape.k, shape.w_count() / shape.k);
  if (add) cpu::add(dw, gradient, dw, shape.w_count());
}

}  // namespace az::cpu
