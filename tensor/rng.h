// Random numbers without state: a value is a function of (seed, purpose, sample, step, element), so that neither the
// number of loader workers nor a resume changes it. Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as
// 1, 2, 3", SC 2011).
#pragma once

#include <array>
#include <cstdint>

namespace az {

/// What a stream of numbers is for; two purposes never share values.
enum class Purpose : uint32_t { init = 1, shuffle = 2, augment = 3, scale = 4, synth = 5, test = 6 };

/// Philox4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key.
constexpr std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53U} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

/// A stream of values for one (seed, purpose, sample, step). `next_*` walk along the elements; copies walk on their
/// own.
class Rng {
 public:
  Rng(uint64_t seed, Purpose purpose, uint64_t sample = 0, uint64_t step = 0);

  uint32_t next_u32();
  double uniform();                            ///< [0, 1), 32 bits
  double uniform(double low, double high);     ///< [low, high)
  int64_t integer(int64_t low, int64_t high);  ///< low..high, both included, unbiased
  double normal();                             ///< mean 0, variance 1 (Box-Muller)
  bool chance(double probability) { return uniform() < probability; }

 private:
  std::array<uint32_t, 2> key_;
  uint32_t sample_, step_;
  uint64_t element_ = 0;  // counts words; four words a counter
  std::array<uint32_t, 4> words_{};
};

}  // namespace az
