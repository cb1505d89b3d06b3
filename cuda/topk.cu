// Top-k of the runs of a row (contract: cuda/topk.h).
//
// Method   Radix selection: floats become whole numbers that order alike (math::order_key), three histograms of 11, 11
//          and 10 bits find the k-th largest to the bit. Everything above it and the first of its equals are gathered
//          and sorted by (value, index), a bitonic network in shared memory up to 4096 values, else in global memory.
// Mapping  One block of 1024 threads a (run, row). In the histograms a thread takes elements a block apart; in the
//          gathering each warp owns a consecutive run, so that two passes with ballots keep the order of indices.
// Work     Reads 4 bytes a value five times, of which four come from L1 or L2; sorts k * log2(k)^2 / 4 pairs. Limited
//          by latency: some 30 barriers. A detector has one row of 5 runs of up to 17,000 values, so 5 blocks.
// Bits     Deterministic: the counts are of whole numbers, the order is total.
// Ladder   (not measured: no GPU yet)
//   v1  sort all values, take k
//   v2  histograms with one shared atomic a value: most values of a detector share a few bins, and wait for each other
//   v3  this: lanes of a warp that agree with its first lane add once
#include "cuda/topk.h"

#include "cuda/block_sort.cuh"
#include "math/polar_detect.h"

namespace az::cuda {
namespace {

constexpr int kThreads = 1024;
constexpr int kDigitBits = 11;
constexpr int kBins = 1 << kDigitBits;

/// The k-th largest key, and how many keys are larger.
struct Cut {
  uint32_t key;
  int above;
};

/// Counts the keys of `v` whose bits from `high` on are `prefix`, by their digit: the bits from `low` to `high`.
__device__ void count_digits(const float* v, int count, int low, int high, uint32_t prefix, int* bins) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int i = static_cast<int>(threadIdx.x); i < kBins; i += kThreads) bins[i] = 0;
  __syncthreads();
  for (int base = static_cast<int>(threadIdx.x) - lane; base < count; base += kThreads) {
    const int i = base + lane;
    const uint32_t key = i < count ? math::order_key(v[i]) : 0;
    const bool mine = i < count && (high == 32 || key >> high == prefix);
    const int bin = static_cast<int>(key >> low & ((1U << (high - low)) - 1U));
    const unsigned active = __ballot_sync(kWholeWarp, mine);
    if (active == 0) continue;
    const int leader = __ffs(static_cast<int>(active)) - 1;
    const int common = __shfl_sync(kWholeWarp, bin, leader);
    const unsigned agree = __ballot_sync(kWholeWarp, mine && bin == common);
    if (lane == leader)
      atomicAdd(&bins[bin], __popc(agree));
    else if (mine && bin != common)
      atomicAdd(&bins[bin], 1);
  }
  __syncthreads();
}

/// The cut for the `keep` largest of `count` values, 0 < keep <= count.
__device__ Cut find_cut(const float* v, int count, int keep) {
  AZ_SHARED(bins, int[kBins]);
  AZ_SHARED(parts, int[kWarp]);
  AZ_SHARED(found, int[2]);  // the digit, and how many with that digit are wanted
  constexpr int kOwn = kBins / kThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  uint32_t prefix = 0;
  int wanted = keep;
  for (int high = 32, low = 32 - kDigitBits; high > 0; high = low, low = low > kDigitBits ? low - kDigitBits : 0) {
    count_digits(v, count, low, high, prefix, bins);
    // Thread t owns the bins below kBins - t * kOwn; `above` counts the keys in bins of earlier threads.
    const int top = kBins - 1 - static_cast<int>(threadIdx.x) * kOwn;
    int sum = 0;
    for (int k = 0; k < kOwn; ++k) sum += bins[top - k];
    int inclusive = sum;
    for (int offset = 1; offset < kWarp; offset *= 2) {
      const int lower = __shfl_up_sync(kWholeWarp, inclusive, static_cast<unsigned>(offset));
      if (lane >= offset) inclusive += lower;
    }
    int total = 0;
    const int before = warps_before(__shfl_sync(kWholeWarp, inclusive, kWarp - 1), parts, total);
    int above = before + inclusive - sum;
    for (int k = 0; k < kOwn; ++k) {
      const int here = bins[top - k];
      if (above < wanted && wanted <= above + here) {
        found[0] = top - k;
        found[1] = wanted - above;
      }
      above += here;
    }
    __syncthreads();
    prefix = prefix << (high - low) | static_cast<uint32_t>(found[0]);
    wanted = found[1];
    __syncthreads();
  }
  return {prefix, keep - wanted};
}

/// best [keep] = the keys above the cut in order of index, then the first keys at the cut, each with its index.
__device__ void gather(const float* v, int count, int keep, const Cut& cut, uint64_t* best) {
  AZ_SHARED(parts, int[kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const WarpRun run = warp_run(count);
  int above = 0, equal = 0, total = 0;
  for (int base = run.begin; base < run.end; base += kWarp) {
    const uint32_t key = base + lane < run.end ? math::order_key(v[base + lane]) : 0;
    above += __popc(__ballot_sync(kWholeWarp, key > cut.key));
    equal += __popc(__ballot_sync(kWholeWarp, key == cut.key));
  }
  above = warps_before(above, parts, total);
  equal = cut.above + warps_before(equal, parts, total);
  for (int base = run.begin; base < run.end; base += kWarp) {
    const int i = base + lane;
    const uint32_t key = i < run.end ? math::order_key(v[i]) : 0;
    const unsigned over = __ballot_sync(kWholeWarp, key > cut.key);
    const unsigned same = __ballot_sync(kWholeWarp, key == cut.key);
    const int to = key > cut.key ? above + __popc(over & lanes_below()) : equal + __popc(same & lanes_below());
    if (key >= cut.key && to < keep) best[to] = ranked(key, i);
    above += __popc(over);
    equal += __popc(same);
  }
}

__global__ void __launch_bounds__(kThreads)
    topk_kernel(const float* values, TopkRuns runs, int32_t* chosen, uint64_t* scratch) {
  const TopkRuns::Run run = runs.begin()[blockIdx.x];
  const int64_t row = blockIdx.y;
  int32_t* out = chosen + row * runs.chosen() + run.out;
  if (run.keep == run.count) {
    for (int i = static_cast<int>(threadIdx.x); i < run.keep; i += kThreads) out[i] = run.begin + i;
    return;
  }
  const float* v = values + row * runs.length() + run.begin;
  uint64_t* best = run.scratch < 0 ? dynamic_shared<uint64_t>() : scratch + row * runs.scratch_row() + run.scratch;
  const int padded = padded_size(run.keep);
  for (int i = run.keep + static_cast<int>(threadIdx.x); i < padded; i += kThreads) best[i] = 0;
  gather(v, run.count, run.keep, find_cut(v, run.count, run.keep), best);
  __syncthreads();
  block_sort_descending(best, padded);
  for (int i = static_cast<int>(threadIdx.x); i < run.keep; i += kThreads) out[i] = run.begin + index_of(best[i]);
}

}  // namespace

bool TopkRuns::add(int count, int keep) {
  if (runs_ == kMost) return false;
  const bool all = keep <= 0 || keep >= count;
  const int kept = all ? count : keep;
  const int padded = padded_size(kept);
  const bool global = !all && padded > kSharedSort;
  run_[runs_++] = {length_, count, kept, chosen_, global ? scratch_row_ : -1};
  length_ += count;
  chosen_ += kept;
  if (global) scratch_row_ += padded;
  if (!all && !global && padded > shared_words_) shared_words_ = padded;
  return true;
}

void topk(Stream& stream, const float* values, int rows, const TopkRuns& runs, int32_t* chosen, uint64_t* scratch) {
  const dim3 grid(static_cast<unsigned>(runs.size()), static_cast<unsigned>(rows));
  launch(stream, "topk_kernel", grid, kThreads, runs.shared_words() * 8, topk_kernel, values, runs, chosen, scratch);
}

}  // namespace az::cuda
