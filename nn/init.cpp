#include "nn/init.h"

#include <cmath>
#include <vector>

#include "tensor/rng.h"

namespace az::nn {
namespace {

/// FNV-1a, so that a name is a stream's number.
uint64_t name_key(std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3U;
  return hash;
}

}  // namespace

Tensor init_conv(const Builder& b, std::string_view name, Init init, int64_t k, int64_t r, int64_t c, int64_t groups) {
  const int64_t in = c / groups;
  if (b.blank) return Tensor::empty({k, r, r, in}, DType::f32, b.device);
  const auto fan_in = static_cast<double>(in * r * r);
  const double fan_out = static_cast<double>(k * r * r);
  Rng rng(b.seed, Purpose::init, name_key(name));
  const auto draw = [&]() -> double {
    switch (init) {
      case Init::he_normal: return rng.normal() * std::sqrt(2 / fan_out);
      case Init::xavier_uniform: {
        const double bound = std::sqrt(6 / (fan_in + fan_out));
        return rng.uniform(-bound, bound);
      }
      case Init::normal_001: return rng.normal() * 0.01;
      case Init::lecun_uniform: return rng.uniform(-1.0, 1.0) * std::sqrt(3 / fan_in);
      case Init::uniform: return rng.uniform(-1.0, 1.0) / std::sqrt(fan_in);
    }
    return 0;
  };
  std::vector<float> values(static_cast<size_t>(k * r * r * in));
  for (float& v : values) v = static_cast<float>(draw());
  return Tensor::from(values, {k, r, r, in}, b.device);
}

Tensor init_bias(const Builder& b, std::string_view name, int64_t k, int64_t fan_in) {
  Rng rng(b.seed, Purpose::init, name_key(name));
  std::vector<float> values(static_cast<size_t>(k));
  for (float& v : values) v = static_cast<float>(rng.uniform(-1.0, 1.0) / std::sqrt(static_cast<double>(fan_in)));
  return Tensor::from(values, {k}, b.device);
}

}  // namespace az::nn
