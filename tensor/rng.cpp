#include "tensor/rng.h"

#include <cmath>
#include <numbers>

#include "tensor/error.h"

namespace az {

Rng::Rng(uint64_t seed, Purpose purpose, uint64_t sample, uint64_t step)
    // The purpose goes into the key by an odd multiplier; samples and steps past 2^32 fold their upper halves in.
    : key_{static_cast<uint32_t>(seed) ^ (static_cast<uint32_t>(purpose) * 0x9E3779B1U),
           static_cast<uint32_t>(seed >> 32) ^ static_cast<uint32_t>((sample >> 32) * 0x85EBCA6BU) ^
               static_cast<uint32_t>((step >> 32) * 0xC2B2AE35U)},
      sample_(static_cast<uint32_t>(sample)),
      step_(static_cast<uint32_t>(step)) {}

uint32_t Rng::next_u32() {
  const auto lane = static_cast<size_t>(element_ % 4);
  if (lane == 0)
    words_ =
        philox({static_cast<uint32_t>(element_ >> 2), static_cast<uint32_t>(element_ >> 34), sample_, step_}, key_);
  ++element_;
  return words_[lane];
}

double Rng::uniform() { return next_u32() * 0x1p-32; }

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

int64_t Rng::integer(int64_t low, int64_t high) {
  AZ_CHECK(low <= high && high - low < (int64_t{1} << 32), "rng: integers {} to {}", low, high);
  const uint64_t count = static_cast<uint64_t>(high - low) + 1;
  // Words at the top that would favour small results are drawn again.
  const uint64_t limit = (uint64_t{1} << 32) / count * count;
  uint64_t word = next_u32();
  while (word >= limit) word = next_u32();
  return low + static_cast<int64_t>(word % count);
}

double Rng::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace az
