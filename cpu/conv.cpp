#include "cpu/conv.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/conv_bf16.h"
#include "cpu/conv_weight_gradient.h"
#include "cpu/dnn.h"
#include "cpu/winograd.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

/// Floats of weights kept transformed for Winograd; PolarMask-R50 has 80 million of them, in training twice that.
constexpr size_t kMostWinograd = size_t{512} << 20;

/// From so many tiles on the transformed weights are not kept but made anew at each call: that takes at most a tenth of
/// the convolution's time (0.4 ms of 4 at 256 to 256 channels, one thread), and in PolarMask-R50 at 800x1333 they would
/// take 200 MB beside the 140 of all weights.
constexpr int64_t kTilesToTransform = 128;

int64_t winograd_tiles(const ConvShape& d) { return d.n * ((d.oh() + 3) / 4) * ((d.ow() + 3) / 4); }

/// Whether Winograd computes it on this device.
template <class T>
bool uses_winograd(const CpuDevice& device, const ConvShape& shape) {
  const bool pays = std::is_same_v<T, bf16> ? winograd_pays_bf16(shape) : winograd_pays(shape);
  return device.winograd() && winograd_simd() != WinogradSimd::none && winograd_fits(shape) && pays;
}

/// Forgets transformed weights, those first that were used longest ago, until `count` floats fit beside the rest.
/// `wanted`, which was used last, stays.
void make_room(CpuDevice::Dnn& dnn, const std::pair<uint64_t, WinogradWeights>& wanted, size_t count) {
  const auto kept = [&] {
    size_t total = count;
    for (const auto& [key, packed] : dnn.winograd)
      if (key != wanted) total += packed.values.count();
    return total;
  };
  while (dnn.winograd.size() > 1 && kept() > kMostWinograd)
    dnn.winograd.erase(std::min_element(dnn.winograd.begin(), dnn.winograd.end(),
                                        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
}

/// The weights transformed for Winograd. Those that are kept at all are from the second use of a version on, until the
/// next version; their memory longer.
const float* winograd_weights(CpuDevice& device, WinogradWeights which, const ConvShape& shape, const float* w,
                              const float* scale, const WeightIdentity& identity) {
  auto& dnn = device.dnn();
  const bool forward = which == WinogradWeights::forward;
  const size_t count = winograd_packed_count(winograd_simd(), forward ? shape.c : shape.k, forward ? shape.k : shape.c);
  const auto pack = [&](HugeBuffer& values) {
    float* packed = values.reserve(count);
    if (identity.rounded) {
      const std::vector<float> factored = factored_weights(shape, w, scale, true);
      winograd_pack(winograd_simd(), which, shape.c, shape.k, factored.data(), nullptr, packed);
    } else {
      winograd_pack(winograd_simd(), which, shape.c, shape.k, w, scale, packed);
    }
    return packed;
  };
  if (identity.id == 0 || winograd_tiles(shape) >= kTilesToTransform) return pack(dnn.winograd_unkept);
  const auto key = std::pair(identity.id, which);
  WinogradPacked& kept = dnn.winograd[key];
  kept.used = ++dnn.winograd_uses;
  // At a version's first use nobody knows whether there will be another.
  if (!(kept.identity == identity)) {
    kept.identity = identity;
    kept.ready = false;
    return pack(dnn.winograd_unkept);
  }
  if (kept.ready) return kept.values.data();
  make_room(dnn, key, count);
  const float* packed = pack(kept.values);
  kept.ready = true;
  return packed;
}

/// The identity of the weights beside maps of type T.
template <class T>
WeightIdentity rounded_for(WeightIdentity identity) {
  if (std::is_same_v<T, bf16>) identity.rounded = true;
  return identity;
}

void check(const char* op, const ConvShape& d) {
  AZ_CHECK(d.groups >= 1 && d.c % d.groups == 0 && d.k % d.groups == 0 && d.oh() >= 1 && d.ow() >= 1,
           "{}: impossible geometry: {}", op, conv_geometry(d));
}

}  // namespace

template <class T>
void conv_forward(CpuDevice& device, const ConvShape& shape, const T* x, const float* w, const float* scale,
                  const WeightIdentity& named, const ConvEpilogue& epilogue, T* y) {
  check("conv2d", shape);
  if (shape.y_count() == 0) return;
  const WeightIdentity identity = rounded_for<T>(named);
  if constexpr (std::is_same_v<T, bf16>)
    if (!device.bf16_products()) return widened_conv_forward(device, shape, x, w, scale, identity, epilogue, y);
  if constexpr (std::is_same_v<T, float>)
    if (uses_winograd<T>(device, shape)) {
      const float* packed = winograd_weights(device, WinogradWeights::forward, shape, w, scale, identity);
      return winograd_forward(winograd_simd(), shape, x, packed, epilogue, device.dnn().winograd_scratch, y);
    }
  dnn_conv_forward(device, shape, x, w, scale, identity, epilogue, y);
}

template <class T>
void conv_backward_data(CpuDevice& device, const ConvShape& shape, const T* dy, const float* w, const float* scale,
                        const WeightIdentity& named, T* dx) {
  check("conv2d backward", shape);
  if (shape.y_count() == 0) return device.fill_zero(dx, shape.x_count() * static_cast<int64_t>(sizeof(T)));
  const WeightIdentity identity = rounded_for<T>(named);
  if constexpr (std::is_same_v<T, bf16>)
    if (!device.bf16_products()) return widened_conv_backward_data(device, shape, dy, w, scale, identity, dx);
  ConvShape transposed = shape;
  std::swap(transposed.c, transposed.k);
  if constexpr (std::is_same_v<T, float>)
    if (uses_winograd<T>(device, transposed)) {
      const float* packed = winograd_weights(device, WinogradWeights::backward_data, shape, w, scale, identity);
      return winograd_forward(winograd_simd(), transposed, dy, packed, {}, device.dnn().winograd_scratch, dx);
    }
  dnn_conv_backward_data(device, shape, dy, w, scale, identity, dx);
}

template <class T>
void conv_backward_weights(CpuDevice& device, const ConvShape& shape, const T* x, const T* dy, float* dw) {
  check("conv2d backward", shape);
  if (shape.y_count() == 0) return device.fill_zero(dw, shape.w_count() * static_cast<int64_t>(sizeof(float)));
  if constexpr (std::is_same_v<T, bf16>)
    if (!device.bf16_products()) return widened_conv_backward_weights(device, shape, x, dy, dw);
  if constexpr (std::is_same_v<T, float>) return conv_weight_gradient(device, shape, x, dy, nullptr, false, dw);
  dnn_conv_backward_weights(device, shape, x, dy, dw);
}

#define AZ_INSTANTIATE(T)                                                                                 \
  template void conv_forward<T>(CpuDevice&, const ConvShape&, const T*, const float*, const float*,       \
                                const WeightIdentity&, const ConvEpilogue&, T*);                          \
  template void conv_backward_data<T>(CpuDevice&, const ConvShape&, const T*, const float*, const float*, \
                                      const WeightIdentity&, T*);                                         \
  template void conv_backward_weights<T>(CpuDevice&, const ConvShape&, const T*, const T*, float*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
