#include "cpu/peak.h"

#include <omp.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <iterator>

#include "tensor/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace az::cpu {
namespace {

// A multiply-add of 4 cycles on two ports keeps 8 chains busy; each loop has as many as its registers hold, twice over.
constexpr int kChains = 32;

#if defined(__x86_64__)

float added(const float* values, int count) {
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += values[i];
  return sum;
}

/// One round is kChains instructions, as chains of kChains / 2 sums.
__attribute__((target("avx512f"))) float fma_avx512(int64_t rounds, float start) {
  __m512 sums[kChains / 2];
  for (auto& s : sums) s = _mm512_set1_ps(start);
  const __m512 factor = _mm512_set1_ps(0.999F), term = _mm512_set1_ps(start);
  for (int64_t r = 0; r < 2 * rounds; ++r) {
#pragma GCC unroll 16
    for (auto& s : sums) s = _mm512_fmadd_ps(s, factor, term);
  }
  float values[kChains / 2 * 16];
  for (int i = 0; i < kChains / 2; ++i) _mm512_storeu_ps(values + i * 16, sums[i]);
  return added(values, kChains / 2 * 16);
}

__attribute__((target("avx2,fma"))) float fma_avx2(int64_t rounds, float start) {
  __m256 sums[kChains / 4];
  for (auto& s : sums) s = _mm256_set1_ps(start);
  const __m256 factor = _mm256_set1_ps(0.999F), term = _mm256_set1_ps(start);
  for (int64_t r = 0; r < 4 * rounds; ++r) {
#pragma GCC unroll 8
    for (auto& s : sums) s = _mm256_fmadd_ps(s, factor, term);
  }
  float values[kChains / 4 * 8];
  for (int i = 0; i < kChains / 4; ++i) _mm256_storeu_ps(values + i * 8, sums[i]);
  return added(values, kChains / 4 * 8);
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) float dot_bf16(int64_t rounds, float start) {
  __m512 sums[kChains / 2];
  for (auto& s : sums) s = _mm512_set1_ps(start);
  const __m512bh a = _mm512_cvtne2ps_pbh(sums[0], sums[1]), b = _mm512_cvtne2ps_pbh(sums[2], sums[3]);
  for (int64_t r = 0; r < 2 * rounds; ++r) {
#pragma GCC unroll 16
    for (auto& s : sums) s = _mm512_dpbf16_ps(s, a, b);
  }
  float values[kChains / 2 * 16];
  for (int i = 0; i < kChains / 2; ++i) _mm512_storeu_ps(values + i * 16, sums[i]);
  return added(values, kChains / 2 * 16);
}

#endif

using Loop = float (*)(int64_t, float);

/// The loop and the operations of one of its instructions; null where the processor has none.
struct Chosen {
  Loop loop = nullptr;
  double flops = 0;
};

Chosen choose([[maybe_unused]] PeakLoop loop) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (loop == PeakLoop::bf16) {
    if (__builtin_cpu_supports("avx512bf16")) return {dot_bf16, 64};
    return {};
  }
  if (__builtin_cpu_supports("avx512f")) return {fma_avx512, 32};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {fma_avx2, 16};
#endif
  return {};
}

int64_t known(long bytes) { return bytes > 0 ? int64_t{bytes} : 0; }

}  // namespace

bool has_peak_loop(PeakLoop loop) { return choose(loop).loop != nullptr; }

double run_peak_loop(PeakLoop loop, int64_t rounds) {
  const Chosen chosen = choose(loop);
  AZ_CHECK(chosen.loop, "peak: this processor has no {} multiply-add", loop == PeakLoop::f32 ? "f32" : "bf16");
  std::atomic<float> kept{1.0F};  // what the compiler must neither know nor drop
  int threads = 1;
#pragma omp parallel
  {
    const float sum = chosen.loop(rounds, kept.load());
#pragma omp single
    threads = omp_get_num_threads();
    kept.store(sum);
  }
  return chosen.flops * kChains * static_cast<double>(rounds) * threads;
}

CacheSizes cache_sizes() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  return {known(::sysconf(_SC_LEVEL2_CACHE_SIZE)), known(::sysconf(_SC_LEVEL3_CACHE_SIZE))};
#else
  return {};
#endif
}

CopyLoop::CopyLoop(int64_t bytes) : threads_(static_cast<size_t>(omp_get_max_threads())) {
#pragma omp parallel num_threads(static_cast <int>(threads_.size()))
  {
    Buffers& own = threads_[static_cast<size_t>(omp_get_thread_num())];
    own.from.assign(static_cast<size_t>(bytes), 1);
    own.to.assign(static_cast<size_t>(bytes), 2);
  }
}

double CopyLoop::run(int64_t rounds) {
#pragma omp parallel num_threads(static_cast <int>(threads_.size()))
  {
    Buffers& own = threads_[static_cast<size_t>(omp_get_thread_num())];
    for (int64_t r = 0; r < rounds; ++r) {
      std::memcpy(own.to.data(), own.from.data(), own.to.size());
      std::atomic_signal_fence(std::memory_order_seq_cst);  // or one copy would do for all
      std::memcpy(own.from.data(), own.to.data(), own.to.size());
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
  }
  return 4.0 * static_cast<double>(threads_[0].to.size()) * static_cast<double>(rounds * std::ssize(threads_));
}

}  // namespace az::cpu
