#include "cpu/conv_bf16.h"

#include <vector>

#include "cpu/dnn.h"
#include "cpu/elementwise.h"

namespace az::cpu {
namespace {

/// `count` values in a buffer of the device; `which` tells the buffers of one call apart.
float* buffer(CpuDevice& device, size_t which, int64_t count) {
  return device.dnn().widened.at(which).reserve(static_cast<size_t>(count));
}

const float* widened(CpuDevice& device, size_t which, const bf16* x, int64_t count) {
  float* values = buffer(device, which, count);
  cast(x, values, count);
  return values;
}

/// Weights for the f32 functions, which round those that they pack; the plain loops of an exact device pack none.
struct Weights {
  std::vector<float> factored;
  const float *w, *scale;

  Weights(const CpuDevice& device, const ConvShape& shape, const float* weights, const float* factor)
      : w(weights), scale(factor) {
    if (!device.exact()) return;
    factored = factored_weights(shape, weights, factor, true);
    w = factored.data();
    scale = nullptr;
  }
};

}  // namespace

bool winograd_pays_bf16(const ConvShape& d) {
  constexpr int64_t kFewestTiles = 16, kFewestChannels = 128, kFewestOutputs = 32;
  return d.c >= kFewestChannels && d.k >= kFewestOutputs && d.n * ((d.h + 3) / 4) * ((d.w + 3) / 4) >= kFewestTiles;
}

void widened_conv_forward(CpuDevice& device, const ConvShape& shape, const bf16* x, const float* w, const float* scale,
                          const WeightIdentity& identity, const ConvEpilogue& epilogue, bf16* y) {
  const float* x_wide = widened(device, 0, x, shape.x_count());
  float* y_wide = buffer(device, 1, shape.y_count());
  ConvEpilogue after = epilogue;
  if (epilogue.residual)
    after.residual = widened(device, 2, static_cast<const bf16*>(epilogue.residual), shape.y_count());
  const Weights weights(device, shape, w, scale);
  conv_forward(device, shape, x_wide, weights.w, weights.scale, identity, after, y_wide);
  cast(y_wide, y, shape.y_count());
}

void widened_conv_backward_data(CpuDevice& device, const ConvShape& shape, const bf16* dy, const float* w,
                                const float* scale, const WeightIdentity& identity, bf16* dx) {
  const float* dy_wide = widened(device, 0, dy, shape.y_count());
  float* dx_wide = buffer(device, 1, shape.x_count());
  const Weights weights(device, shape, w, scale);
  conv_backward_data(device, shape, dy_wide, weights.w, weights.scale, identity, dx_wide);
  cast(dx_wide, dx, shape.x_count());
}

void widened_conv_backward_weights(CpuDevice& device, const ConvShape& shape, const bf16* x, const bf16* dy,
                                   float* dw) {
  const float* x_wide = widened(device, 0, x, shape.x_count());
  const float* dy_wide = widened(device, 1, dy, shape.y_count());
  conv_backward_weights(device, shape, x_wide, dy_wide, dw);
}

}  // namespace az::cpu
