#include "nn/reference_fill.h"

#include <cmath>

#include "tensor/layout.h"

namespace az::nn {
namespace {

/// SplitMix64's output function.
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

uint64_t fnv1a(std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash;
}

struct OffsetScale {
  double offset, scale;
};

/// What fill.py's table says for a parameter of this name.
OffsetScale offset_scale(std::string_view name, std::span<const int64_t> shape) {
  const std::string_view leaf = name.substr(name.rfind('.') + 1);
  if (leaf == "running_mean" || leaf == "bias") return {0, 0.1};
  if (leaf == "running_var") return {1, 0.5};
  if (shape.size() < 2) return {1, 0.1};
  double fan_in = 1;
  for (const int64_t extent : shape.subspan(1)) fan_in *= static_cast<double>(extent);
  return {0, std::sqrt(3.0 / fan_in)};
}

}  // namespace

std::vector<float> reference_fill(std::string_view name, std::span<const int64_t> shape, uint64_t seed,
                                  std::optional<double> offset, std::optional<double> scale) {
  const OffsetScale rule = offset_scale(name, shape);
  const double o = offset.value_or(rule.offset), s = scale.value_or(rule.scale);
  size_t count = 1;
  for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
  std::vector<float> values(count);
  uint64_t state = fnv1a(name) ^ seed;
  for (float& value : values) {
    state += 0x9E3779B97F4A7C15ULL;
    const double r = 2.0 * (static_cast<double>(mix(state) >> 40) / 16777216.0) - 1.0;
    value = static_cast<float>(o + s * r);
  }
  return values;
}

void reference_fill(Module& network, uint64_t seed) {
  for (const Entry& e : entries(network)) {
    if (e.tensor->dtype() != DType::f32) continue;
    const bool conv = e.tensor->rank() == 4;
    const Shape shape = conv ? ohwi_to_oihw(*e.tensor).shape() : e.tensor->shape();
    const Tensor value = Tensor::from(reference_fill(e.name, shape.dims(), seed), shape, e.tensor->device());
    e.tensor->copy_from(conv ? oihw_to_ohwi(value) : value);
  }
}

}  // namespace az::nn
