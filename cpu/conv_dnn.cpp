// Convolution through oneDNN: primitives and packed weights, made once and kept.
#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/dnn.h"
#include "cpu/elementwise.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

using dnnl::memory;
using dims = memory::dims;

/// Weight tensors with packed forms at once; a network has a few hundred.
constexpr size_t kMostPacked = 2048;

template <class T>
constexpr memory::data_type kType = memory::data_type::f32;
template <>
constexpr memory::data_type kType<bf16> = memory::data_type::bf16;

/// Our NHWC arrays in oneDNN's order of dimensions.
memory::desc image_desc(memory::data_type type, int64_t n, int64_t h, int64_t w, int64_t c) {
  return {{n, c, h, w}, type, memory::format_tag::nhwc};
}

dims weight_dims(const ConvShape& d) {
  if (d.groups == 1) return {d.k, d.c, d.r, d.s};
  return {d.groups, d.k / d.groups, d.c / d.groups, d.r, d.s};
}

/// Our f32 [k, r, s, c/groups] as strides over weight_dims.
memory::desc plain_weights(const ConvShape& d) {
  const int64_t in = d.c / d.groups;
  const int64_t one = d.r * d.s * in;
  if (d.groups == 1) return {weight_dims(d), memory::data_type::f32, dims{one, 1, d.s * in, in}};
  return {weight_dims(d), memory::data_type::f32, dims{d.k / d.groups * one, one, 1, d.s * in, in}};
}

/// What the three passes share: the maps, and packed weights of the layout that the primitive prefers.
struct Descriptors {
  dims stride, dilation, before, after;  // the padding
  memory::desc source, weights, destination;

  explicit Descriptors(const ConvKey& key)
      : stride(2, key.shape.stride),
        dilation(2, key.shape.dilation - 1),
        before{key.top, key.shape.padding},
        after{key.bottom, key.shape.padding},
        source(image_desc(key.type, key.shape.n, key.shape.h, key.shape.w, key.shape.c)),
        weights(weight_dims(key.shape), key.type, memory::format_tag::any),
        destination(image_desc(key.type, key.shape.n, rows(key), key.shape.ow(), key.shape.k)) {}

  /// Of the outputs.
  static int64_t rows(const ConvKey& key) {
    const ConvShape& d = key.shape;
    return (d.h + key.top + key.bottom - d.dilation * (d.r - 1) - 1) / d.stride + 1;
  }
};

dnnl::convolution_forward::primitive_desc forward_desc(const ConvKey& key, const Descriptors& of,
                                                       const dnnl::engine& engine) {
  const memory::desc bias =
      key.bias ? memory::desc({key.shape.k}, memory::data_type::f32, memory::format_tag::x) : memory::desc();
  dnnl::primitive_attr attributes;
  dnnl::post_ops post;
  if (key.residual) post.append_sum();
  if (key.relu) post.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
  attributes.set_post_ops(post);
  const auto kind =
      key.pass == ConvPass::forward ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training;
  const dnnl::convolution_forward::desc what(kind, dnnl::algorithm::convolution_direct, of.source, of.weights, bias,
                                             of.destination, of.stride, of.dilation, of.before, of.after);
  return {what, attributes, engine};
}

/// Fills `packed`: the weights as the primitive wants them, multiplied by `scale`, rounded and reordered, or as they
/// are where that is the same.
memory pack_weights(CpuDevice& device, const ConvShape& shape, const float* w, const float* scale, bool rounded,
                    memory packed) {
  auto& dnn = device.dnn();
  const std::vector<float> factored = factored_weights(shape, w, scale, rounded);
  memory plain(plain_weights(shape), dnn.engine, const_cast<float*>(factored.empty() ? w : factored.data()));
  dnnl::reorder(plain, packed).execute(dnn.stream, plain, packed);
  return packed;
}

/// The same, kept until the tensor's version changes: the levels of a pyramid and repeated inference share one packed
/// form. Forms that training uses once are made in scratch memory.
memory packed_weights(CpuDevice& device, const ConvShape& shape, const ConvPlan& plan, const float* w,
                      const float* scale, const WeightIdentity& identity, ConvPass pass) {
  auto& dnn = device.dnn();
  if (identity.id == 0 || (identity.learning && !dnn.repeated.note(identity, pass))) {
    float* scratch = dnn.packed_unkept.reserve((plan.weights.get_size() + sizeof(float) - 1) / sizeof(float));
    return pack_weights(device, shape, w, scale, identity.rounded, memory(plan.weights, dnn.engine, scratch));
  }
  if (dnn.packed.size() > kMostPacked) dnn.packed.clear();
  auto& kept = dnn.packed[identity.id];
  std::erase_if(kept, [&](const PackedWeights& p) { return !(p.identity == identity); });
  for (const PackedWeights& p : kept)
    if (p.memory.get_desc() == plan.weights) return p.memory;
  const memory packed(plan.weights, dnn.engine);
  kept.push_back({identity, pack_weights(device, shape, w, scale, identity.rounded, packed)});
  return kept.back().memory;
}

template <class T>
ConvKey key_of(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return {.shape = shape,
          .type = kType<T>,
          .bias = epilogue.bias != nullptr,
          .residual = epilogue.residual != nullptr,
          .relu = epilogue.relu};
}

/// The residual lies in y.
template <class T>
void forward(CpuDevice& device, const ConvKey& key, const T* x, const float* w, const float* scale,
             const WeightIdentity& identity, const ConvEpilogue& epilogue, T* y) {
  auto& dnn = device.dnn();
  const ConvPlan& plan = dnn.conv_plan(key);
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, memory(plan.source, dnn.engine, const_cast<T*>(x))},
      {DNNL_ARG_WEIGHTS, packed_weights(device, key.shape, plan, w, scale, identity, ConvPass::forward)},
      {DNNL_ARG_DST, memory(plan.destination, dnn.engine, y)}};
  if (key.bias)
    arguments.emplace(DNNL_ARG_BIAS, memory({{key.shape.k}, memory::data_type::f32, memory::format_tag::x}, dnn.engine,
                                            const_cast<void*>(epilogue.bias)));
  plan.primitive.execute(dnn.stream, arguments);
}

}  // namespace

std::string conv_geometry(const ConvShape& d) {
  return fmt::format("x [{}, {}, {}, {}], weight [{}, {}, {}, {}], stride {}, padding {}, dilation {}, groups {}", d.n,
                     d.h, d.w, d.c, d.k, d.r, d.s, d.c / d.groups, d.stride, d.padding, d.dilation, d.groups);
}

void fail_dnn(const char* op, const dnnl::error& error, const std::string& what) {
  fail("{}: oneDNN could not do it ({}): {}", op, error.message, what);
}

size_t ConvKeyHash::operator()(const ConvKey& key) const {
  const ConvShape& d = key.shape;
  uint64_t hash = 0xCBF29CE484222325U;
  for (const int64_t v : {d.n, d.h, d.w, d.c, d.k, d.r, d.s, d.stride, d.padding, d.dilation, d.groups,
                          static_cast<int64_t>(key.pass), static_cast<int64_t>(key.type), int64_t{key.bias},
                          int64_t{key.residual}, int64_t{key.relu}, key.top, key.bottom})
    hash = (hash ^ static_cast<uint64_t>(v)) * 0x100000001B3U + (hash >> 29);
  return hash;
}

bool RepeatedWeights::note(const WeightIdentity& identity, ConvPass pass) {
  Use& use = uses_[{identity.id, pass}];
  if (use.last == identity) use.repeated = true;
  use.last = identity;
  return use.repeated;
}

ConvPlan& CpuDevice::Dnn::conv_plan(const ConvKey& key) {
  if (const auto found = conv_plans_.find(key); found != conv_plans_.end()) return found->second;
  try {
    return conv_plans_.emplace(key, make_plan(key)).first->second;
  } catch (const dnnl::error& error) {
    fail_dnn("conv2d", error, conv_geometry(key.shape));
  }
}

ConvPlan CpuDevice::Dnn::make_plan(const ConvKey& key) {
  const Descriptors of(key);
  const auto forward = forward_desc(key, of, engine);
  if (key.pass == ConvPass::forward)
    return {dnnl::convolution_forward(forward), forward.src_desc(), forward.weights_desc(), forward.dst_desc()};
  if (key.pass == ConvPass::backward_data) {
    const dnnl::convolution_backward_data::desc what(dnnl::algorithm::convolution_direct, of.source, of.weights,
                                                     of.destination, of.stride, of.dilation, of.before, of.after);
    const dnnl::convolution_backward_data::primitive_desc chosen(what, engine, forward);
    return {dnnl::convolution_backward_data(chosen), chosen.diff_src_desc(), chosen.weights_desc(),
            chosen.diff_dst_desc()};
  }
  const memory::desc gradient(weight_dims(key.shape), memory::data_type::f32, memory::format_tag::any);
  const dnnl::convolution_backward_weights::desc what(dnnl::algorithm::convolution_direct, of.source, gradient,
                                                      of.destination, of.stride, of.dilation, of.before, of.after);
  const dnnl::convolution_backward_weights::primitive_desc chosen(what, engine, forward);
  return {dnnl::convolution_backward_weights(chosen), chosen.src_desc(), chosen.diff_weights_desc(),
          chosen.diff_dst_desc()};
}

std::vector<float> factored_weights(const ConvShape& shape, const float* w, const float* scale, bool rounded) {
  if (!scale && !rounded) return {};
  std::vector<float> factored(static_cast<size_t>(shape.w_count()));
  if (scale) {
    scale_rows(w, scale, factored.data(), shape.k, shape.w_count() / shape.k);
  } else {
    std::copy_n(w, factored.size(), factored.data());
  }
  if (rounded)
    for (float& v : factored) v = static_cast<float>(bf16(v));
  return factored;
}

template <class T>
void dnn_conv_forward(CpuDevice& device, const ConvShape& shape, const T* x, const float* w, const float* scale,
                      const WeightIdentity& identity, const ConvEpilogue& epilogue, T* y) {
  if (epilogue.residual && epilogue.residual != y)
    device.copy(y, epilogue.residual, shape.y_count() * static_cast<int64_t>(sizeof(T)));
  forward(device, key_of<T>(shape, epilogue), x, w, scale, identity, epilogue, y);
}

template <class T>
void dnn_conv_forward_rows(CpuDevice& device, const ConvShape& shape, int64_t begin, int64_t end, const T* x,
                           const float* w, const float* scale, const WeightIdentity& identity,
                           const ConvEpilogue& epilogue, T* y) {
  const int64_t first = begin * shape.stride - shape.padding;
  const int64_t last = (end - 1) * shape.stride - shape.padding + shape.dilation * (shape.r - 1) + 1;
  const int64_t top = std::max<int64_t>(first, 0);
  ConvShape rows = shape;
  rows.n = 1;
  rows.h = std::min(last, shape.h) - top;
  ConvKey key = key_of<T>(rows, epilogue);
  key.top = top - first;
  key.bottom = std::max<int64_t>(last - shape.h, 0);
  forward(device, key, x + top * shape.w * shape.c, w, scale, identity, epilogue, y);
}

template <class T>
void dnn_conv_backward_data(CpuDevice& device, const ConvShape& shape, const T* dy, const float* w, const float* scale,
                            const WeightIdentity& identity, T* dx) {
  auto& dnn = device.dnn();
  const ConvPlan& plan = dnn.conv_plan({.shape = shape, .pass = ConvPass::backward_data, .type = kType<T>});
  plan.primitive.execute(
      dnn.stream, {{DNNL_ARG_DIFF_DST, memory(plan.destination, dnn.engine, const_cast<T*>(dy))},
                   {DNNL_ARG_WEIGHTS, packed_weights(device, shape, plan, w, scale, identity, ConvPass::backward_data)},
                   {DNNL_ARG_DIFF_SRC, memory(plan.source, dnn.engine, dx)}});
}

template <class T>
void dnn_conv_backward_weights(CpuDevice& device, const ConvShape& shape, const T* x, const T* dy, float* dw) {
  auto& dnn = device.dnn();
  const ConvPlan& plan = dnn.conv_plan({.shape = shape, .pass = ConvPass::backward_weights, .type = kType<T>});
  const size_t floats = (plan.weights.get_size() + sizeof(float) - 1) / sizeof(float);
  memory packed(plan.weights, dnn.engine, dnn.winograd_scratch.reserve(floats));
  plan.primitive.execute(dnn.stream, {{DNNL_ARG_SRC, memory(plan.source, dnn.engine, const_cast<T*>(x))},
                                      {DNNL_ARG_DIFF_DST, memory(plan.destination, dnn.engine, const_cast<T*>(dy))},
                                      {DNNL_ARG_DIFF_WEIGHTS, packed}});
  memory plain(plain_weights(shape), dnn.engine, dw);
  dnnl::reorder(packed, plain).execute(dnn.stream, packed, plain);
}

#define AZ_INSTANTIATE(T)                                                                                        \
  template void dnn_conv_forward<T>(CpuDevice&, const ConvShape&, const T*, const float*, const float*,          \
                                    const WeightIdentity&, const ConvEpilogue&, T*);                             \
  template void dnn_conv_forward_rows<T>(CpuDevice&, const ConvShape&, int64_t, int64_t, const T*, const float*, \
                                         const float*, const WeightIdentity&, const ConvEpilogue&, T*);          \
  template void dnn_conv_backward_data<T>(CpuDevice&, const ConvShape&, const T*, const float*, const float*,    \
                                          const WeightIdentity&, T*);                                            \
  template void dnn_conv_backward_weights<T>(CpuDevice&, const ConvShape&, const T*, const T*, float*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
