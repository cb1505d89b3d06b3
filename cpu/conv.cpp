#include "cpu/conv.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/dnn.h"
#include "cpu/elementwise.h"
#include "cpu/winograd_filter_gradient.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

using dnnl::memory;
using dims = memory::dims;

/// Weight tensors with packed forms at once; a network has a few hundred.
constexpr size_t kMostPacked = 2048;
/// Floats of weights kept transformed for Winograd; PolarMask-R50 has 80 million of them, in training twice that.
constexpr size_t kMostWinograd = size_t{512} << 20;

std::string geometry(const ConvShape& d) {
  return fmt::format("x [{}, {}, {}, {}], weight [{}, {}, {}, {}], stride {}, padding {}, dilation {}, groups {}", d.n,
                     d.h, d.w, d.c, d.k, d.r, d.s, d.c / d.groups, d.stride, d.padding, d.dilation, d.groups);
}

/// Our NHWC arrays in oneDNN's order of dimensions.
memory::desc image_desc(int64_t n, int64_t h, int64_t w, int64_t c) {
  return {{n, c, h, w}, memory::data_type::f32, memory::format_tag::nhwc};
}

dims weight_dims(const ConvShape& d) {
  if (d.groups == 1) return {d.k, d.c, d.r, d.s};
  return {d.groups, d.k / d.groups, d.c / d.groups, d.r, d.s};
}

/// Our [k, r, s, c/groups] as strides over weight_dims.
memory::desc plain_weights(const ConvShape& d) {
  const int64_t in = d.c / d.groups;
  const int64_t one = d.r * d.s * in;
  if (d.groups == 1) return {weight_dims(d), memory::data_type::f32, dims{one, 1, d.s * in, in}};
  return {weight_dims(d), memory::data_type::f32, dims{d.k / d.groups * one, one, 1, d.s * in, in}};
}

dnnl::convolution_forward::primitive_desc forward_desc(const ConvKey& key, const dnnl::engine& engine) {
  const ConvShape& d = key.shape;
  const dims stride(2, d.stride), dilation(2, d.dilation - 1), padding(2, d.padding);
  const memory::desc any(weight_dims(d), memory::data_type::f32, memory::format_tag::any);
  const memory::desc source = image_desc(d.n, d.h, d.w, d.c);
  const memory::desc destination = image_desc(d.n, d.oh(), d.ow(), d.k);
  const memory::desc bias =
      key.bias ? memory::desc({d.k}, memory::data_type::f32, memory::format_tag::x) : memory::desc();
  dnnl::primitive_attr attributes;
  dnnl::post_ops post;
  if (key.residual) post.append_sum();
  if (key.relu) post.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
  attributes.set_post_ops(post);
  const auto kind =
      key.pass == ConvPass::forward ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training;
  const dnnl::convolution_forward::desc what(kind, dnnl::algorithm::convolution_direct, source, any, bias, destination,
                                             stride, dilation, padding, padding);
  return {what, attributes, engine};
}

/// The weights as the primitive wants them: multiplied by `scale` and reordered, or as they are where that is the same.
memory pack_weights(CpuDevice& device, const ConvShape& shape, ConvPlan& plan, const float* w, const float* scale) {
  auto& dnn = device.dnn();
  std::vector<float> scaled;
  if (scale) {
    scaled.resize(static_cast<size_t>(shape.w_count()));
    scale_rows(w, scale, scaled.data(), shape.k, shape.w_count() / shape.k);
    w = scaled.data();
  }
  memory plain(plain_weights(shape), dnn.engine, const_cast<float*>(w));
  memory packed(plan.weights, dnn.engine);
  dnnl::reorder(plain, packed).execute(dnn.stream, plain, packed);
  return packed;
}

/// The same, kept until the tensor's version changes: the levels of a pyramid and repeated inference share one packed
/// form.
memory packed_weights(CpuDevice& device, const ConvShape& shape, ConvPlan& plan, const float* w, const float* scale,
                      const WeightIdentity& identity) {
  auto& dnn = device.dnn();
  if (identity.id == 0) return pack_weights(device, shape, plan, w, scale);
  if (dnn.packed.size() > kMostPacked) dnn.packed.clear();
  auto& kept = dnn.packed[identity.id];
  std::erase_if(kept, [&](const PackedWeights& p) { return !(p.identity == identity); });
  for (const PackedWeights& p : kept)
    if (p.memory.get_desc() == plan.weights) return p.memory;
  return kept.emplace_back(PackedWeights{identity, pack_weights(device, shape, plan, w, scale)}).memory;
}

/// Whether Winograd computes it on this device.
bool uses_winograd(const CpuDevice& device, const ConvShape& shape) {
  return device.winograd() && winograd_simd() != WinogradSimd::none && winograd_fits(shape) && winograd_pays(shape);
}

/// Forgets transformed weights, those first that were used longest ago, until `count` floats fit beside the rest.
void make_room(CpuDevice::Dnn& dnn, size_t count) {
  const auto kept = [&] {
    size_t total = count;
    for (const auto& [key, packed] : dnn.winograd) total += packed.values.count();
    return total;
  };
  while (!dnn.winograd.empty() && kept() > kMostWinograd)
    dnn.winograd.erase(std::min_element(dnn.winograd.begin(), dnn.winograd.end(),
                                        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
}

/// The weights transformed for Winograd, kept until the tensor's version changes; the memory is kept longer.
const float* winograd_weights(CpuDevice& device, WinogradWeights which, const ConvShape& shape, const float* w,
                              const float* scale, const WeightIdentity& identity) {
  auto& dnn = device.dnn();
  const bool forward = which == WinogradWeights::forward;
  const size_t count = winograd_packed_count(winograd_simd(), forward ? shape.c : shape.k, forward ? shape.k : shape.c);
  const auto pack = [&](HugeBuffer& values) {
    float* packed = values.reserve(count);
    winograd_pack(winograd_simd(), which, shape.c, shape.k, w, scale, packed);
    return packed;
  };
  if (identity.id == 0) return pack(dnn.winograd_unkept);
  const auto key = std::pair(identity.id, which);
  if (!dnn.winograd.contains(key)) make_room(dnn, count);
  WinogradPacked& kept = dnn.winograd[key];
  kept.used = ++dnn.winograd_uses;
  if (kept.identity == identity) return kept.values.data();
  kept.identity = {};
  const float* packed = pack(kept.values);
  kept.identity = identity;
  return packed;
}

void check(const char* op, const ConvShape& d) {
  AZ_CHECK(d.groups >= 1 && d.c % d.groups == 0 && d.k % d.groups == 0 && d.oh() >= 1 && d.ow() >= 1,
           "{}: impossible geometry: {}", op, geometry(d));
}

}  // namespace

void fail_dnn(const char* op, const dnnl::error& error, const std::string& what) {
  fail("{}: oneDNN could not do it ({}): {}", op, error.message, what);
}

size_t ConvKeyHash::operator()(const ConvKey& key) const {
  const ConvShape& d = key.shape;
  uint64_t hash = 0xCBF29CE484222325U;
  for (const int64_t v : {d.n, d.h, d.w, d.c, d.k, d.r, d.s, d.stride, d.padding, d.dilation, d.groups,
                          static_cast<int64_t>(key.pass), int64_t{key.bias}, int64_t{key.residual}, int64_t{key.relu}})
    hash = (hash ^ static_cast<uint64_t>(v)) * 0x100000001B3U + (hash >> 29);
  return hash;
}

ConvPlan& CpuDevice::Dnn::conv_plan(const ConvKey& key) {
  if (const auto found = conv_plans_.find(key); found != conv_plans_.end()) return found->second;
  try {
    return conv_plans_.emplace(key, make_plan(key)).first->second;
  } catch (const dnnl::error& error) {
    fail_dnn("conv2d", error, geometry(key.shape));
  }
}

ConvPlan CpuDevice::Dnn::make_plan(const ConvKey& key) {
  const ConvShape& d = key.shape;
  const auto forward = forward_desc(key, engine);
  if (key.pass == ConvPass::forward)
    return {dnnl::convolution_forward(forward), forward.src_desc(), forward.weights_desc(), forward.dst_desc()};
  const dims stride(2, d.stride), dilation(2, d.dilation - 1), padding(2, d.padding);
  const memory::desc any(weight_dims(d), memory::data_type::f32, memory::format_tag::any);
  const memory::desc source = image_desc(d.n, d.h, d.w, d.c);
  const memory::desc destination = image_desc(d.n, d.oh(), d.ow(), d.k);
  if (key.pass == ConvPass::backward_data) {
    const dnnl::convolution_backward_data::desc what(dnnl::algorithm::convolution_direct, source, any, destination,
                                                     stride, dilation, padding, padding);
    const dnnl::convolution_backward_data::primitive_desc chosen(what, engine, forward);
    return {dnnl::convolution_backward_data(chosen), chosen.diff_src_desc(), chosen.weights_desc(),
            chosen.diff_dst_desc()};
  }
  const dnnl::convolution_backward_weights::desc what(dnnl::algorithm::convolution_direct, source, any, destination,
                                                      stride, dilation, padding, padding);
  const dnnl::convolution_backward_weights::primitive_desc chosen(what, engine, forward);
  return {dnnl::convolution_backward_weights(chosen), chosen.src_desc(), chosen.diff_weights_desc(),
          chosen.diff_dst_desc()};
}

void conv_forward(CpuDevice& device, const ConvShape& shape, const float* x, const float* w, const float* scale,
                  const WeightIdentity& identity, const ConvEpilogue& epilogue, float* y) {
  check("conv2d", shape);
  if (shape.y_count() == 0) return;
  auto& dnn = device.dnn();
  if (uses_winograd(device, shape)) {
    const float* packed = winograd_weights(device, WinogradWeights::forward, shape, w, scale, identity);
    return winograd_forward(winograd_simd(), shape, x, packed, epilogue, dnn.winograd_scratch, y);
  }
  const ConvKey key{shape, ConvPass::forward, epilogue.bias != nullptr, epilogue.residual != nullptr, epilogue.relu};
  ConvPlan& plan = dnn.conv_plan(key);
  if (epilogue.residual && epilogue.residual != y)
    device.copy(y, epilogue.residual, shape.y_count() * static_cast<int64_t>(sizeof(float)));
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, memory(plan.source, dnn.engine, const_cast<float*>(x))},
                                            {DNNL_ARG_WEIGHTS, packed_weights(device, shape, plan, w, scale, identity)},
                                            {DNNL_ARG_DST, memory(plan.destination, dnn.engine, y)}};
  if (epilogue.bias)
    arguments.emplace(DNNL_ARG_BIAS, memory({{shape.k}, memory::data_type::f32, memory::format_tag::x}, dnn.engine,
                                            const_cast<void*>(epilogue.bias)));
  plan.primitive.execute(dnn.stream, arguments);
}

void conv_backward_data(CpuDevice& device, const ConvShape& shape, const float* dy, const float* w, const float* scale,
                        const WeightIdentity& identity, float* dx) {
  check("conv2d backward", shape);
  if (shape.y_count() == 0) return device.fill_zero(dx, shape.x_count() * static_cast<int64_t>(sizeof(float)));
  auto& dnn = device.dnn();
  ConvShape transposed = shape;
  std::swap(transposed.c, transposed.k);
  if (uses_winograd(device, transposed)) {
    const float* packed = winograd_weights(device, WinogradWeights::backward_data, shape, w, scale, identity);
    return winograd_forward(winograd_simd(), transposed, dy, packed, {}, dnn.winograd_scratch, dx);
  }
  ConvPlan& plan = dnn.conv_plan({.shape = shape, .pass = ConvPass::backward_data});
  plan.primitive.execute(dnn.stream, {{DNNL_ARG_DIFF_DST, memory(plan.destination, dnn.engine, const_cast<float*>(dy))},
                                      {DNNL_ARG_WEIGHTS, packed_weights(device, shape, plan, w, scale, identity)},
                                      {DNNL_ARG_DIFF_SRC, memory(plan.source, dnn.engine, dx)}});
}

void conv_backward_weights(CpuDevice& device, const ConvShape& shape, const float* x, const float* dy,
                           const float* scale, bool add, float* dw) {
  check("conv2d backward", shape);
  if (shape.y_count() == 0) {
    if (!add) device.fill_zero(dw, shape.w_count() * static_cast<int64_t>(sizeof(float)));
    return;
  }
  auto& dnn = device.dnn();
  if (device.winograd() && winograd_simd() != WinogradSimd::none && winograd_fits(shape) &&
      winograd_filter_gradient_pays(shape))
    return winograd_filter_gradient(winograd_simd(), shape, x, dy, scale, add, dnn.winograd_scratch, dw);
  ConvPlan& plan = dnn.conv_plan({.shape = shape, .pass = ConvPass::backward_weights});
  const auto packed_floats = (plan.weights.get_size() + sizeof(float) - 1) / sizeof(float);
  const auto count = static_cast<size_t>(shape.w_count());
  float* scratch = dnn.winograd_scratch.reserve(packed_floats + count);
  memory packed(plan.weights, dnn.engine, scratch);
  plan.primitive.execute(dnn.stream, {{DNNL_ARG_SRC, memory(plan.source, dnn.engine, const_cast<float*>(x))},
                                      {DNNL_ARG_DIFF_DST, memory(plan.destination, dnn.engine, const_cast<float*>(dy))},
                                      {DNNL_ARG_DIFF_WEIGHTS, packed}});
  float* ordered = add ? scratch + packed_floats : dw;
  memory plain(plain_weights(shape), dnn.engine, ordered);
  dnnl::reorder(packed, plain).execute(dnn.stream, packed, plain);
  if (scale) scale_rows(ordered, scale, ordered, shape.k, shape.w_count() / shape.k);
  if (add) cpu::add(dw, ordered, dw, shape.w_count());
}

}  // namespace az::cpu
