#include "cuda/library_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "tensor/error.h"

namespace az::cuda {

using math::ConvShape;

TensorMap image_map(int64_t n, int64_t h, int64_t w, int64_t c) { return {{n, c, h, w}, {h * w * c, 1, w * c, c}}; }
TensorMap x_map(const ConvShape& d) { return image_map(d.n, d.h, d.w, d.c); }
TensorMap y_map(const ConvShape& d) { return image_map(d.n, d.oh(), d.ow(), d.k); }
TensorMap filter_map(const ConvShape& d) { return image_map(d.k, d.r, d.s, d.c / d.groups); }
TensorMap channel_map(int64_t k) { return image_map(1, 1, 1, k); }

size_t PlanKeyHash::operator()(const PlanKey& key) const {
  const ConvShape& d = key.shape;
  const int64_t flags = int64_t{key.bias} + 2 * int64_t{key.residual} + 4 * int64_t{key.relu} + 8 * int64_t{key.tf32};
  uint64_t hash = 0xCBF29CE484222325U;
  for (const int64_t v : {d.n, d.h, d.w, d.c, d.k, d.r, d.s, d.stride, d.padding, d.dilation, d.groups,
                          static_cast<int64_t>(key.pass), static_cast<int64_t>(key.dtype), flags, key.alignment})
    hash = (hash ^ static_cast<uint64_t>(v)) * 0x100000001B3U + (hash >> 29);
  return hash;
}

std::string key_text(const PlanKey& key) {
  constexpr const char* kPasses[] = {"forward", "backward_data", "backward_weights"};
  const ConvShape& d = key.shape;
  std::string after;
  for (const auto& [present, name] : {std::pair{key.bias, "bias"}, {key.residual, "residual"}, {key.relu, "relu"}})
    if (present) after += (after.empty() ? "" : "+") + std::string(name);
  return fmt::format("{}:{}:n{}h{}w{}c{}:k{}r{}s{}:s{}p{}d{}g{}:{}:{}", kPasses[static_cast<int>(key.pass)],
                     key.tf32 ? "tf32" : dtype_name(key.dtype), d.n, d.h, d.w, d.c, d.k, d.r, d.s, d.stride, d.padding,
                     d.dilation, d.groups, after.empty() ? "alone" : after, key.alignment);
}

int64_t common_alignment(std::initializer_list<const void*> pointers) {
  uintptr_t bits = 16;
  for (const void* p : pointers) bits |= reinterpret_cast<uintptr_t>(p);
  return static_cast<int64_t>(bits & (~bits + 1));
}

std::vector<GraphForm> graph_forms(const PlanKey& key) {
  if (key.pass == ConvPass::backward_weights && is_half(key.dtype))
    return {{.whole = true, .filter = DType::f32}, {.whole = true, .filter = key.dtype}};
  if (key.bias || key.residual || key.relu)
    return {{.whole = true, .filter = key.dtype}, {.whole = false, .filter = key.dtype}};
  return {{.whole = true, .filter = key.dtype}};
}

bool acceptable(const PlanNotes& notes, const PlanKey& key) {
  if (notes.nondeterministic || notes.reduced_sums || notes.transforms) return false;
  const bool rounds_products = notes.down_converts || (notes.tensor_core && key.dtype == DType::f32);
  return !rounds_products || (key.dtype == DType::f32 && key.tf32);
}

std::string write_choices(const PlanChoices& choices, const std::string& machine) {
  std::string text = "azimuth-plans 1 " + machine + "\n";
  for (const auto& [key, choice] : choices)
    text += fmt::format("{} {} {} {} {}\n", key, choice.mode, choice.form, choice.index, choice.engine);
  return text;
}

PlanChoices read_choices(const std::string& text, const std::string& machine, const std::string& path) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  AZ_CHECK(line == "azimuth-plans 1 " + machine, "{}: the plans are for '{}', this is '{}'; tune again", path,
           line.substr(0, 200), machine);
  PlanChoices choices;
  for (int64_t number = 2; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string key, rest;
    PlanChoice c;
    const bool complete = static_cast<bool>(words >> key >> c.mode >> c.form >> c.index >> c.engine);
    AZ_CHECK(complete && !(words >> rest) && c.mode >= 0 && c.form >= 0 && c.index >= 0,
             "{}: line {} is not a key and four numbers", path, number);
    choices[key] = c;
  }
  return choices;
}

GemmCall gemm_call(const math::MatmulShape& s) {
  // A leading dimension of 0 is refused even where the matrix is empty.
  const auto leading = [](int64_t columns) { return std::max<int64_t>(columns, 1); };
  return {.transpose_first = s.transpose_b,
          .transpose_second = s.transpose_a,
          .m = s.n,
          .n = s.m,
          .k = s.k,
          .ld_first = leading(s.transpose_b ? s.k : s.n),
          .ld_second = leading(s.transpose_a ? s.m : s.k),
          .ld_y = leading(s.n),
          .step_first = s.k * s.n,
          .step_second = s.m * s.k,
          .step_y = s.m * s.n};
}

}  // namespace az::cuda
