// How our shapes are put to cuDNN and cuBLAS, which plans we take, and how choices are written to a file: everything
// about the libraries that needs neither them nor a GPU.
#pragma once

#include <array>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "math/conv.h"
#include "math/matmul.h"
#include "tensor/dtype.h"

namespace az::cuda {

/// A tensor as cuDNN names it: dimensions in the order n, c, h, w, whatever the order in memory.
struct TensorMap {
  std::array<int64_t, 4> dims, strides;
  bool operator==(const TensorMap&) const = default;
};
/// [n, h, w, c] in memory.
TensorMap image_map(int64_t n, int64_t h, int64_t w, int64_t c);
TensorMap x_map(const math::ConvShape& shape);
TensorMap y_map(const math::ConvShape& shape);
/// [k, r, s, c / groups] in memory. cuDNN takes the number of groups from the channels of x and w.
TensorMap filter_map(const math::ConvShape& shape);
/// [k], one value a channel.
TensorMap channel_map(int64_t k);

enum class ConvPass : uint8_t { forward, backward_data, backward_weights };

/// What a plan depends on.
struct PlanKey {
  ConvPass pass = ConvPass::forward;
  math::ConvShape shape;
  DType dtype = DType::f32;  ///< f32, bf16 or f16
  bool bias = false, residual = false, relu = false;
  int64_t alignment = 16;  ///< of every pointer but the bias, bytes
  bool tf32 = false;       ///< f32 products may be rounded to TF32
  bool operator==(const PlanKey&) const = default;
};
struct PlanKeyHash {
  size_t operator()(const PlanKey& key) const;
};
/// One word that names the key in a file and in messages:
/// "forward:bf16:n16h100w152c256:k256r3s3:s1p1d1g1:bias+relu:16".
std::string key_text(const PlanKey& key);

/// The largest power of two up to 16 that divides all addresses. Null pointers do not count.
int64_t common_alignment(std::initializer_list<const void*> pointers);

/// A graph that computes a key's pass, or part of it.
struct GraphForm {
  bool whole = true;          ///< with bias, residual and ReLU; else our own kernel adds them
  DType filter = DType::f32;  ///< of w or dw; a dw in 16 bits is widened afterwards
  bool operator==(const GraphForm&) const = default;
};
/// In the order in which we want them: what is left to other kernels costs another pass over memory.
std::vector<GraphForm> graph_forms(const PlanKey& key);

/// What cuDNN says of an engine.
struct PlanNotes {
  bool nondeterministic = false;
  bool tensor_core = false;
  bool down_converts = false;  ///< rounds its inputs
  bool reduced_sums = false;   ///< sums in less than f32
  bool transforms = false;     ///< Winograd or FFT: errors beyond those of the sums
};
/// Whether we take such an engine: the same bits each time, sums in f32, f32 products exact unless TF32 is allowed.
bool acceptable(const PlanNotes& notes, const PlanKey& key);

/// A plan by its place in the heuristics' answers, which one version of cuDNN gives alike on one kind of GPU.
struct PlanChoice {
  int mode = 0;        ///< which heuristic
  int form = 0;        ///< which of graph_forms
  int64_t index = 0;   ///< which of its answers
  int64_t engine = 0;  ///< cuDNN's number of the engine, to recognise it
  bool operator==(const PlanChoice&) const = default;
};
/// By key_text.
using PlanChoices = std::map<std::string, PlanChoice>;
/// A text file's contents: a line that names the machine, then a line a key. The reverse; error: another machine's, or
/// a broken line, named by `path`.
std::string write_choices(const PlanChoices& choices, const std::string& machine);
PlanChoices read_choices(const std::string& text, const std::string& machine, const std::string& path);

/// A product for cuBLAS, whose matrices are column by column: it computes y^T = b^T a^T, so that its first operand is
/// our b.
struct GemmCall {
  bool transpose_first = false, transpose_second = false;
  int64_t m = 0, n = 0, k = 0;                          ///< of y^T [m, n]
  int64_t ld_first = 1, ld_second = 1, ld_y = 1;        ///< elements between columns
  int64_t step_first = 0, step_second = 0, step_y = 0;  ///< elements between products
  bool operator==(const GemmCall&) const = default;
};
GemmCall gemm_call(const math::MatmulShape& shape);

}  // namespace az::cuda
