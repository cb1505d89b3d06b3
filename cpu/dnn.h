// oneDNN behind the CPU device. Nothing outside cpu/ includes this header.
#pragma once

#include <array>
#include <dnnl.hpp>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "cpu/conv.h"
#include "cpu/conv_algorithm.h"
#include "cpu/device.h"
#include "cpu/winograd.h"
#include "tensor/huge_buffer.h"

namespace az::cpu {

/// Throws az::Error with the op, oneDNN's own message and the geometry.
[[noreturn]] void fail_dnn(const char* op, const dnnl::error& error, const std::string& geometry);

/// One convolution primitive: what it does, and the layouts it chose.
struct ConvPlan {
  dnnl::primitive primitive;
  dnnl::memory::desc source, weights, destination;  // for a backward pass: diff descriptors where it writes
};

/// A plan's identity.
struct ConvKey {
  ConvShape shape;
  ConvPass pass = ConvPass::forward;
  dnnl::memory::data_type type = dnnl::memory::data_type::f32;  ///< of maps and packed weights
  bool bias = false, residual = false, relu = false;
  int64_t top = shape.padding, bottom = shape.padding;  ///< the padding above and below
  bool operator==(const ConvKey&) const = default;
};

struct ConvKeyHash {
  size_t operator()(const ConvKey& key) const;
};

/// Weights in a primitive's layout, kept until the tensor they came from changes.
struct PackedWeights {
  WeightIdentity identity;
  dnnl::memory memory;
};

/// Weights transformed for Winograd, or packed for our own 1x1 product, likewise.
struct WinogradPacked {
  WeightIdentity identity;
  HugeBuffer values;
  bool ready = false;  ///< the values are of that identity; else it was only seen
  uint64_t used = 0;   ///< the count of uses at the last one
};

/// The three passes of cpu/conv.h by oneDNN's direct convolution; T is float, or bf16 with `identity.rounded`.
template <class T>
void dnn_conv_forward(CpuDevice& device, const ConvShape& shape, const T* x, const float* w, const float* scale,
                      const WeightIdentity& identity, const ConvEpilogue& epilogue, T* y);
/// Rows [begin, end) of the outputs of one image, with no residual.   x [h, w, c], y [end - begin, ow, k]
template <class T>
void dnn_conv_forward_rows(CpuDevice& device, const ConvShape& shape, int64_t begin, int64_t end, const T* x,
                           const float* w, const float* scale, const WeightIdentity& identity,
                           const ConvEpilogue& epilogue, T* y);
template <class T>
void dnn_conv_backward_data(CpuDevice& device, const ConvShape& shape, const T* dy, const float* w, const float* scale,
                            const WeightIdentity& identity, T* dx);
template <class T>
void dnn_conv_backward_weights(CpuDevice& device, const ConvShape& shape, const T* x, const T* dy, float* dw);

/// w times scale [k], perhaps rounded to what bf16 holds; empty where that is w itself.   w [k,r,s,c/groups]
std::vector<float> factored_weights(const ConvShape& shape, const float* w, const float* scale, bool rounded);

/// The shapes and settings, for messages.
std::string conv_geometry(const ConvShape& shape);

/// Which learning weights are used several times a version in one pass, as by the levels of a pyramid. Packed forms of
/// the others would be outdated before they are used again: they are made in scratch memory.
class RepeatedWeights {
 public:
  /// Notes a use; whether this weight was ever used twice with the same version.
  bool note(const WeightIdentity& identity, ConvPass pass);

 private:
  struct Use {
    WeightIdentity last;
    bool repeated = false;
  };
  std::map<std::pair<uint64_t, ConvPass>, Use> uses_;
};

class CpuDevice::Dnn {
 public:
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};

  /// The plan of a convolution, made at the first call.
  ConvPlan& conv_plan(const ConvKey& key);
  /// By the weight tensor's id: one packed form for each layout, all of its latest version.
  std::unordered_map<uint64_t, std::vector<PackedWeights>> packed;
  /// By the weight tensor's id, the algorithm and what the transformed weights are for.
  std::map<std::tuple<uint64_t, ConvAlgorithm, WinogradWeights>, WinogradPacked> winograd;
  uint64_t winograd_uses = 0;
  RepeatedWeights repeated;
  HugeBuffer winograd_scratch;
  HugeBuffer winograd_unkept;         // weights that are packed at each call
  HugeBuffer packed_unkept;           // and packed
  std::array<HugeBuffer, 3> widened;  // bf16 maps as f32, where bf16 cannot be multiplied
  /// Matrix products by batch, m, n, k and the two transpositions (cpu/matmul.cpp).
  std::map<std::array<int64_t, 6>, dnnl::matmul> products;

 private:
  ConvPlan make_plan(const ConvKey& key);
  std::unordered_map<ConvKey, ConvPlan, ConvKeyHash> conv_plans_;
};

}  // namespace az::cpu
