// What the processor can reach: loops that do nothing but multiply-add in registers, or copy inside a cache.
#pragma once

#include <cstdint>
#include <vector>

namespace az::cpu {

enum class PeakLoop : uint8_t {
  f32,   ///< fused multiply-adds of f32
  bf16,  ///< dot products of bf16 pairs, summed in f32 (AVX512_BF16)
};

/// Whether this processor has the loop's instructions; f32 wants AVX-512 or AVX2 with FMA.
bool has_peak_loop(PeakLoop loop);

/// Runs the loop on every OpenMP thread; returns the floating-point operations done, all threads together.
/// `rounds`: of 32 independent chains' instructions.
double run_peak_loop(PeakLoop loop, int64_t rounds);

/// Bytes of the data caches, of a core (level 1 and 2) or of all of them together (level 3); 0 where unknown.
struct CacheSizes {
  int64_t level2 = 0, level3 = 0;
};
CacheSizes cache_sizes();

/// A buffer of `bytes` and another for each OpenMP thread, written to by that thread.
class CopyLoop {
 public:
  explicit CopyLoop(int64_t bytes);
  /// Every thread copies its buffer to the other and back, `rounds` times; returns the bytes read and written by all.
  double run(int64_t rounds);

 private:
  struct Buffers {
    std::vector<char> from, to;
  };
  std::vector<Buffers> threads_;
};

}  // namespace az::cpu
