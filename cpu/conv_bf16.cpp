#include "cpu/conv_bf16.h"

#include <vector>

#include "cpu/conv_algorithm.h"
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

/// Weights for the f32 functions, which round those that they pack: here are rounded those that are read as they are,
/// by the plain loops of an exact device and where there are few outputs.
struct Weights {
  std::vector<float> factored;
  const float *w, *scale;

  Weights(const CpuDevice& device, const ConvShape& shape, ConvPass pass, const float* weights, const float* factor)
      : w(weights), scale(factor) {
    const ConvAlgorithm algorithm = conv_algorithm(shape, pass, DType::f32, device.winograd());
    if (!device.exact() && algorithm != ConvAlgorithm::few_outputs) return;
    factored = factored_weights(shape, weights, factor, true);
    w = factored.data();
    scale = nullptr;
  }
};

}  // namespace

// One thread, EPYC (Zen 5), least of 7 runs of CPU time on a busy machine, ms:
//
//   map, channels       bf16 direct   Winograd of bf16 maps   of f32 maps
//   100x168 256->256    42.5          25.7                    27.7
//   50x84   256->256    10.3          6.8                     7.4
//   25x42   256->256    2.46          1.93                    1.87
//   13x21   256->256    0.62          0.53                    0.63
//   7x11    256->256    0.16          0.15                    -
//   25x42   512->512    9.5           7.1                     6.9
//   100x168 128->128    10.3          7.2                     8.3
//   200x336 64->64      11.3          9.4                     11.5
//   100x168 256->80     13.5          10.6                    11.3
//   100x168 256->36     8.3           7.2                     7.6
//   100x168 256->4      3.7           4.2                     6.4
bool winograd_pays_bf16(const ConvShape& d) {
  constexpr int64_t kFewestTiles = 16, kFewestInputs = 64, kFewestOutputs = 32;
  return d.stride == 1 && d.c >= kFewestInputs && d.k >= kFewestOutputs &&
         d.n * ((d.h + 3) / 4) * ((d.w + 3) / 4) >= kFewestTiles;
}

void widened_conv_forward(CpuDevice& device, const ConvShape& shape, const bf16* x, const float* w, const float* scale,
                          const WeightIdentity& identity, const ConvEpilogue& epilogue, bf16* y) {
  const float* x_wide = widened(device, 0, x, shape.x_count());
  float* y_wide = buffer(device, 1, shape.y_count());
  ConvEpilogue after = epilogue;
  if (epilogue.residual)
    after.residual = widened(device, 2, static_cast<const bf16*>(epilogue.residual), shape.y_count());
  const Weights weights(device, shape, ConvPass::forward, w, scale);
  conv_forward(device, shape, x_wide, weights.w, weights.scale, identity, after, y_wide);
  cast(y_wide, y, shape.y_count());
}

void widened_conv_backward_data(CpuDevice& device, const ConvShape& shape, const bf16* dy, const float* w,
                                const float* scale, const WeightIdentity& identity, bf16* dx) {
  const float* dy_wide = widened(device, 0, dy, shape.y_count());
  float* dx_wide = buffer(device, 1, shape.x_count());
  const Weights weights(device, shape, ConvPass::backward_data, w, scale);
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
