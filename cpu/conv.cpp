#include "cpu/conv.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/conv_algorithm.h"
#include "cpu/conv_bf16.h"
#include "cpu/conv_weight_gradient.h"
#include "cpu/dnn.h"
#include "cpu/elementwise.h"
#include "cpu/few_outputs.h"
#include "cpu/pointwise.h"
#include "cpu/winograd.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

/// Floats of weights kept transformed for Winograd; PolarMask-R50 has 80 million of them, in training twice that.
constexpr size_t kMostWinograd = size_t{512} << 20;

/// From so many outputs a channel on, packed weights are not kept but made anew at each call. One thread, 256 to 256
/// channels: 0.4 ms beside 38 for a pyramid's levels together, 7 at 50x84; 512 to 512 at 25x42: 4 beside 7.5. In
/// PolarMask-R50 at 800x1333 they would take 370 MB beside the 140 of all weights.
constexpr int64_t kOutputsToPack = 1024;

/// Forgets transformed weights, those first that were used longest ago, until `count` floats fit beside the rest.
/// `wanted`, which was used last, stays.
void make_room(CpuDevice::Dnn& dnn, const std::tuple<uint64_t, ConvAlgorithm, WinogradWeights>& wanted, size_t count) {
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

WinogradTile tile_of(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::winograd2: return WinogradTile::two;
    case ConvAlgorithm::winograd4_stride2: return WinogradTile::four_stride2;
    default: return WinogradTile::four;
  }
}

/// The weights transformed for Winograd, or packed for the 1x1 product, for that many outputs a channel. Those that are
/// kept at all are from the second use of a version on, until the next version; their memory longer.
const float* winograd_weights(CpuDevice& device, ConvAlgorithm algorithm, WinogradWeights which, const ConvShape& shape,
                              int64_t outputs, const float* w, const float* scale, const WeightIdentity& identity) {
  auto& dnn = device.dnn();
  const WinogradSimd simd = winograd_simd();
  const bool forward = which == WinogradWeights::forward, matmul = algorithm == ConvAlgorithm::matmul;
  const int64_t c = forward ? shape.c : shape.k, k = forward ? shape.k : shape.c;
  const size_t count =
      matmul ? pointwise_packed_count(simd, c, k) : winograd_packed_count(simd, c, k, tile_of(algorithm));
  const auto pack = [&](HugeBuffer& values) {
    float* packed = values.reserve(count);
    if (!matmul) {
      winograd_pack(simd, which, shape.c, shape.k, w, scale, packed, tile_of(algorithm), identity.rounded);
    } else if (const auto rounded = factored_weights(shape, w, identity.rounded ? scale : nullptr, identity.rounded);
               !rounded.empty()) {
      pointwise_pack(simd, which, shape.c, shape.k, rounded.data(), nullptr, packed);
    } else {
      pointwise_pack(simd, which, shape.c, shape.k, w, scale, packed);
    }
    return packed;
  };
  if (identity.id == 0 || outputs >= kOutputsToPack) return pack(dnn.winograd_unkept);
  const auto key = std::tuple(identity.id, algorithm, which);
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

void check(const char* op, const ConvShape& d) {
  AZ_CHECK(d.groups >= 1 && d.c % d.groups == 0 && d.k % d.groups == 0 && d.oh() >= 1 && d.ow() >= 1,
           "{}: impossible geometry: {}", op, conv_geometry(d));
}

template <class T>
ConvShape with_size(const ConvShape& kind, const ConvMaps<T>& maps) {
  ConvShape d = kind;
  d.n = maps.n, d.h = maps.h, d.w = maps.w;
  return d;
}

/// Outputs of a channel, in all maps together.
template <class T>
int64_t outputs_of(const ConvShape& kind, const std::vector<ConvMaps<T>>& maps) {
  int64_t count = 0;
  for (const ConvMaps<T>& m : maps) count += with_size(kind, m).y_count() / kind.k;
  return count;
}

/// The maps of which there is something to compute; checks all.
template <class T>
std::vector<ConvMaps<T>> not_empty(const char* op, const ConvShape& kind, std::span<const ConvMaps<T>> maps) {
  std::vector<ConvMaps<T>> some;
  for (const ConvMaps<T>& m : maps) {
    const ConvShape d = with_size(kind, m);
    check(op, d);
    if (d.y_count() > 0) some.push_back(m);
  }
  return some;
}

/// The algorithm for all of them: that of the largest.
template <class T>
ConvAlgorithm algorithm_of(const CpuDevice& device, const ConvShape& kind, const std::vector<ConvMaps<T>>& maps,
                           ConvPass pass) {
  const auto largest = std::ranges::max_element(maps, {}, [](const ConvMaps<T>& m) { return m.n * m.h * m.w; });
  return conv_algorithm(with_size(kind, *largest), pass, dtype_of<T>, device.winograd());
}

/// `kind` is the convolution from maps.x to maps.y.
template <class T>
void winograd_maps(CpuDevice& device, ConvAlgorithm algorithm, const ConvShape& kind,
                   const std::vector<ConvMaps<T>>& maps, const float* packed, const ConvEpilogue& epilogue) {
  winograd_forward(WinogradCall<T>{.simd = winograd_simd(),
                                   .tile = tile_of(algorithm),
                                   .c = kind.c,
                                   .k = kind.k,
                                   .padding = kind.padding,
                                   .dilation = kind.dilation,
                                   .packed = packed,
                                   .bias = static_cast<const float*>(epilogue.bias),
                                   .relu = epilogue.relu,
                                   .maps = maps},
                   device.dnn().winograd_scratch);
}

bool is_winograd(ConvAlgorithm algorithm) {
  return algorithm == ConvAlgorithm::winograd2 || algorithm == ConvAlgorithm::winograd4 ||
         algorithm == ConvAlgorithm::winograd4_stride2;
}

/// The identity of the weights beside maps of type T: bf16 maps take them rounded, as do the f32 copies of such maps.
template <class T>
WeightIdentity rounded_for(WeightIdentity identity) {
  if (std::is_same_v<T, bf16>) identity.rounded = true;
  return identity;
}

/// conv_fuses of an algorithm for f32 maps.
ConvFuses fuses(ConvAlgorithm algorithm) {
  const bool matmul = algorithm == ConvAlgorithm::matmul, own = matmul || is_winograd(algorithm);
  return {.coarse = matmul, .sum = own, .cut = own};
}

}  // namespace

ConvFuses conv_fuses(const CpuDevice& device, const ConvShape& shape, DType maps) {
  if (maps != DType::f32 || device.exact() || shape.x_count() == 0 || shape.y_count() == 0) return {};
  const auto of = [&](ConvPass pass) { return fuses(conv_algorithm(shape, pass, maps, device.winograd())); };
  ConvFuses both = of(ConvPass::backward_data);
  both.coarse = of(ConvPass::forward).coarse;
  both.part = shape.stride != 1;
  return both;
}

template <class T>
void conv_forward_levels(CpuDevice& device, const ConvShape& kind, std::span<const ConvMaps<T>> all, const float* w,
                         const float* scale, const WeightIdentity& named, const ConvEpilogue& epilogue) {
  const std::vector<ConvMaps<T>> maps = not_empty("conv2d", kind, all);
  if (maps.empty()) return;
  const WeightIdentity identity = rounded_for<T>(named);
  const ConvAlgorithm algorithm = algorithm_of(device, kind, maps, ConvPass::forward);
  AZ_CHECK(!epilogue.coarse || (std::is_same_v<T, float> && fuses(algorithm).coarse),
           "conv2d: {} takes no coarse residual", conv_algorithm_name(algorithm));
  const auto packed = [&] {
    return winograd_weights(device, algorithm, WinogradWeights::forward, kind, outputs_of(kind, maps), w, scale,
                            identity);
  };
  if (std::is_same_v<T, float> || device.bf16_products())
    if (is_winograd(algorithm)) return winograd_maps(device, algorithm, kind, maps, packed(), epilogue);
  for (const ConvMaps<T>& m : maps) {
    const ConvShape d = with_size(kind, m);
    const ConvEpilogue after{epilogue.bias, m.residual, epilogue.relu, epilogue.coarse};
    if constexpr (std::is_same_v<T, bf16>) {
      if (!device.bf16_products()) {
        widened_conv_forward(device, d, m.x, w, scale, identity, after, m.y);
        continue;
      }
    } else {
      if (algorithm == ConvAlgorithm::matmul) {
        pointwise_forward(winograd_simd(), d, m.x, packed(), after, device.dnn().winograd_scratch, m.y);
        continue;
      }
      if (algorithm == ConvAlgorithm::few_outputs) {
        few_outputs_forward(winograd_simd(), d, m.x, w, scale, after, m.y);
        continue;
      }
    }
    dnn_conv_forward(device, d, m.x, w, scale, identity, after, m.y);
  }
  if constexpr (std::is_same_v<T, float>)
    for (const ConvMaps<T>& m : maps)
      if (m.exp) exp_scaled(m.y, m.exp->s, m.exp->limit, m.y, with_size(kind, m).y_count());
}

template <class T>
void conv_backward_data_levels(CpuDevice& device, const ConvShape& kind, std::span<const ConvMaps<T>> all,
                               const float* w, const float* scale, const WeightIdentity& named) {
  for (const ConvMaps<T>& m : all)
    if (const ConvShape d = with_size(kind, m); d.y_count() == 0)
      device.fill_zero(m.y, d.x_count() * static_cast<int64_t>(sizeof(T)));
  const std::vector<ConvMaps<T>> maps = not_empty("conv2d backward", kind, all);
  if (maps.empty()) return;
  const WeightIdentity identity = rounded_for<T>(named);
  const ConvAlgorithm algorithm = algorithm_of(device, kind, maps, ConvPass::backward_data);
  const auto packed = [&] {
    return winograd_weights(device, algorithm, WinogradWeights::backward_data, kind, outputs_of(kind, maps), w, scale,
                            identity);
  };
  ConvShape transposed = kind;
  std::swap(transposed.c, transposed.k);
  if (std::is_same_v<T, float> || device.bf16_products())
    if (is_winograd(algorithm)) return winograd_maps(device, algorithm, transposed, maps, packed(), {});
  for (const ConvMaps<T>& m : maps) {
    const ConvShape d = with_size(kind, m);
    if constexpr (std::is_same_v<T, bf16>) {
      if (!device.bf16_products()) {
        widened_conv_backward_data(device, d, m.x, w, scale, identity, m.y);
        continue;
      }
    } else {
      if (algorithm == ConvAlgorithm::matmul) {
        const ConvEpilogue after{.residual = m.residual, .cut = m.cut};
        if (d.stride == 1) {
          pointwise_forward(winograd_simd(), with_size(transposed, m), m.x, packed(), after,
                            device.dnn().winograd_scratch, m.y);
          continue;
        }
        if (!m.residual) device.fill_zero(m.y, d.x_count() * static_cast<int64_t>(sizeof(T)));
        if (m.residual && m.residual != m.y)
          device.copy(m.y, m.residual, d.x_count() * static_cast<int64_t>(sizeof(T)));
        pointwise_spread(winograd_simd(), with_size(transposed, m), m.x, packed(), after, device.dnn().winograd_scratch,
                         m.y);
        continue;
      }
    }
    dnn_conv_backward_data(device, d, m.x, w, scale, identity, m.y);
  }
}

template <class T>
void conv_forward(CpuDevice& device, const ConvShape& shape, const T* x, const Wide<T>* w, const Wide<T>* scale,
                  const WeightIdentity& identity, const ConvEpilogue& epilogue, T* y) {
  check("conv2d", shape);
  if (shape.y_count() == 0) return;
  if constexpr (std::is_same_v<T, double>) {
    conv_forward_plain(shape, x, w, scale, epilogue, y);
  } else {
    if constexpr (std::is_same_v<T, float>)
      if (device.exact()) return conv_forward_plain(shape, x, w, scale, epilogue, y);
    const ConvMaps<T> maps{shape.n, shape.h, shape.w, x, static_cast<const T*>(epilogue.residual), y};
    conv_forward_levels<T>(device, shape, {&maps, 1}, w, scale, identity, epilogue);
  }
}

template <class T>
void conv_backward_data(CpuDevice& device, const ConvShape& shape, const T* dy, const Wide<T>* w, const Wide<T>* scale,
                        const WeightIdentity& identity, T* dx, const ConvGradientAfter<T>& after) {
  check("conv2d backward", shape);
  if (after.sum || after.cut) {
    const ConvFuses can = conv_fuses(device, shape, dtype_of<T>);
    AZ_CHECK((can.sum || !after.sum) && (can.cut || !after.cut), "conv2d backward: no sum or cut in one pass with {}",
             conv_geometry(shape));
  }
  if (shape.y_count() == 0) return device.fill_zero(dx, shape.x_count() * static_cast<int64_t>(sizeof(T)));
  if constexpr (std::is_same_v<T, double>) {
    conv_backward_data_plain(shape, dy, w, scale, dx);
  } else {
    if constexpr (std::is_same_v<T, float>)
      if (device.exact()) return conv_backward_data_plain(shape, dy, w, scale, dx);
    const ConvMaps<T> maps{shape.n, shape.h, shape.w, dy, after.sum, dx, after.cut};
    conv_backward_data_levels<T>(device, shape, {&maps, 1}, w, scale, identity);
  }
}

template <class T>
void conv_backward_weights(CpuDevice& device, const ConvShape& shape, const T* x, const T* dy, Wide<T>* dw) {
  check("conv2d backward", shape);
  if (shape.y_count() == 0) return device.fill_zero(dw, shape.w_count() * static_cast<int64_t>(sizeof(Wide<T>)));
  if constexpr (std::is_same_v<T, double>) {
    conv_backward_weights_plain(shape, x, dy, dw);
  } else if constexpr (std::is_same_v<T, bf16>) {
    const auto compute = device.bf16_products() ? dnn_conv_backward_weights<bf16> : widened_conv_backward_weights;
    compute(device, shape, x, dy, dw);
  } else if (device.exact()) {
    conv_backward_weights_plain(shape, x, dy, dw);
  } else {
    conv_weight_gradient(device, shape, x, dy, nullptr, false, dw);
  }
}

#define AZ_INSTANTIATE(T)                                                                                     \
  template void conv_forward<T>(CpuDevice&, const ConvShape&, const T*, const Wide<T>*, const Wide<T>*,       \
                                const WeightIdentity&, const ConvEpilogue&, T*);                              \
  template void conv_backward_data<T>(CpuDevice&, const ConvShape&, const T*, const Wide<T>*, const Wide<T>*, \
                                      const WeightIdentity&, T*, const ConvGradientAfter<T>&);                \
  template void conv_backward_weights<T>(CpuDevice&, const ConvShape&, const T*, const T*, Wide<T>*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
AZ_INSTANTIATE(bf16)
#undef AZ_INSTANTIATE

#define AZ_INSTANTIATE(T)                                                                                              \
  template void conv_forward_levels<T>(CpuDevice&, const ConvShape&, std::span<const ConvMaps<T>>, const float*,       \
                                       const float*, const WeightIdentity&, const ConvEpilogue&);                      \
  template void conv_backward_data_levels<T>(CpuDevice&, const ConvShape&, std::span<const ConvMaps<T>>, const float*, \
                                             const float*, const WeightIdentity&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
