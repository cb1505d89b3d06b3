// PolarMask's head outputs to ranks, candidates and detections (contract: cuda/polar_detect.h).
// Formulas: math/polar_detect.h, shared with the CPU; the rays' directions come from the host, whose sinf and cosf the
// device does not have. Results equal the CPU's to the bit.
//
// Mapping  polar_rank_kernel    8 lanes a location: 16-byte loads of its logits, maxima by shuffles
//          polar_box_kernel     a thread a candidate
//          polar_bounds_kernel  a warp a candidate: lanes over its rays, minima and maxima by shuffles
//          polar_key_kernel     a block a tile of 32 candidates x 32 classes, turned in shared memory, so that logits
//                               are read along classes and keys written along candidates
//          polar_result_kernel  a warp a detection: lanes over its vertices
// Work     polar_rank reads each class logit once (4 bytes) for one comparison: limited by bandwidth, 7 MB for
//          80 classes at 800 x 1333. The others touch a few thousand candidates: limited by latency.
// Bits     Deterministic: nothing is summed; maxima do not depend on the order.
// Ladder   (not measured: no GPU yet)
//   v1  polar_rank with a thread a location: neighbouring threads read 320 bytes apart
//   v2  a warp a location: 20 of 32 lanes have work at 80 classes
//   v3  this
#include "cuda/polar_detect.h"

#include <limits>

#include "cuda/kernel.cuh"

namespace az::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRankLanes = 8;
constexpr int kTile = 32, kTileRows = 8;

/// 16 bytes of elements, loaded at once.
struct alignas(16) Pack {
  static constexpr int kCount = 4;
  float value[kCount];
};

__device__ float larger(float best, float v) { return v > best ? v : best; }

/// The largest of logits [count] that this lane of the location's kRankLanes sees.
__device__ float largest_seen(const float* logits, int count, int lane) {
  float best = -std::numeric_limits<float>::infinity();
  if (count % Pack::kCount == 0 && reinterpret_cast<uintptr_t>(logits) % sizeof(Pack) == 0) {
    const auto* packs = reinterpret_cast<const Pack*>(logits);
    for (int i = lane; i < count / Pack::kCount; i += kRankLanes) {
      const Pack pack = packs[i];
      for (int k = 0; k < Pack::kCount; ++k) best = larger(best, pack.value[k]);
    }
  } else {
    for (int i = lane; i < count; i += kRankLanes) best = larger(best, logits[i]);
  }
  return best;
}

__global__ void __launch_bounds__(kThreads) polar_rank_kernel(PolarMaps maps, float* rank) {
  const int lane = static_cast<int>(threadIdx.x) % kRankLanes;
  const int location = static_cast<int>(thread_index() / kRankLanes);
  const int64_t image = blockIdx.y;
  const bool inside = location < maps.locations;
  const PolarLevel& level = maps.level_of(inside ? location : 0);
  const int64_t i = image * level.count + (inside ? location - level.first : 0);
  float best = largest_seen(level.cls + i * maps.classes, maps.classes, lane);
  for (int offset = kRankLanes / 2; offset > 0; offset /= 2)
    best = larger(best, __shfl_xor_sync(kWholeWarp, best, offset));
  if (inside && lane == 0) rank[image * maps.locations + location] = math::polar_rank(best, level.centerness[i]);
}

/// Where a location lies in the network's input, and its index among its level's of the whole batch.
struct Place {
  float x, y;
  int64_t index;
};
__device__ Place place_of(const PolarLevel& level, int location, int64_t image) {
  const int cell = location - level.first;
  return {math::cell_centre(cell % level.width, level.stride), math::cell_centre(cell / level.width, level.stride),
          image * level.count + cell};
}

__global__ void __launch_bounds__(kThreads)
    polar_box_kernel(PolarMaps maps, PolarCandidates candidates, math::Box* box) {
  const int64_t slot = thread_index(), image = blockIdx.y;
  if (slot >= candidates.slots) return;
  const int location = candidates.location[image * candidates.slots + slot];
  const PolarLevel& level = maps.level_of(location);
  const Place at = place_of(level, location, image);
  const Pack d = reinterpret_cast<const Pack*>(level.box)[at.index];
  box[image * candidates.slots + slot] = math::polar_box(at.x, at.y, d.value, candidates.frame[image]);
}

__global__ void __launch_bounds__(kThreads)
    polar_bounds_kernel(PolarMaps maps, PolarCandidates candidates, math::Box* box) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t slot = thread_index() / kWarp, image = blockIdx.y;
  if (slot >= candidates.slots) return;
  const int location = candidates.location[image * candidates.slots + slot];
  const PolarLevel& level = maps.level_of(location);
  const Place at = place_of(level, location, image);
  const float* lengths = level.rays + at.index * maps.rays;
  constexpr float kFar = std::numeric_limits<float>::infinity();
  math::Box b{kFar, kFar, -kFar, -kFar};  // vertices are never NaN
  for (int k = lane; k < maps.rays; k += kWarp) {
    const auto v = math::polar_vertex(at.x, at.y, lengths[k], candidates.direction[k], candidates.frame[image]);
    b = {fminf(b.x1, v.x), fminf(b.y1, v.y), fmaxf(b.x2, v.x), fmaxf(b.y2, v.y)};
  }
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    b.x1 = fminf(b.x1, __shfl_xor_sync(kWholeWarp, b.x1, offset));
    b.y1 = fminf(b.y1, __shfl_xor_sync(kWholeWarp, b.y1, offset));
    b.x2 = fmaxf(b.x2, __shfl_xor_sync(kWholeWarp, b.x2, offset));
    b.y2 = fmaxf(b.y2, __shfl_xor_sync(kWholeWarp, b.y2, offset));
  }
  if (lane == 0) box[image * candidates.slots + slot] = b;
}

__global__ void __launch_bounds__(kTile* kTileRows)
    polar_key_kernel(PolarMaps maps, PolarCandidates candidates, PolarScoring scoring, uint32_t* key) {
  AZ_SHARED(tile, uint32_t[kTile][kTile + 1]);
  const int column = static_cast<int>(threadIdx.x) % kTile, row = static_cast<int>(threadIdx.x) / kTile;
  const int slot0 = static_cast<int>(blockIdx.x) * kTile, class0 = static_cast<int>(blockIdx.y) * kTile;
  const int64_t image = blockIdx.z;
  const int slots = candidates.slots < slot0 + kTile ? candidates.slots - slot0 : kTile;
  const int classes = maps.classes < class0 + kTile ? maps.classes - class0 : kTile;
  for (int s = row; s < slots; s += kTileRows) {
    if (column >= classes) continue;
    const int location = candidates.location[image * candidates.slots + slot0 + s];
    const PolarLevel& level = maps.level_of(location);
    const int64_t i = image * level.count + location - level.first;
    const float logit = level.cls[i * maps.classes + class0 + column];
    uint32_t found = 0;
    float p = 0;
    if (math::counts_as_hit(logit, scoring.hopeless, scoring.threshold, p)) {
      const float centerness = math::probability(level.centerness[i]);
      found = math::order_key(math::polar_score(p, centerness, scoring.bias));
    }
    tile[s][column] = found;
  }
  __syncthreads();
  if (column >= slots) return;
  for (int c = row; c < classes; c += kTileRows)
    key[(image * maps.classes + class0 + c) * candidates.slots + slot0 + column] = tile[column][c];
}

__global__ void __launch_bounds__(kThreads)
    polar_result_kernel(PolarMaps maps, PolarCandidates candidates, const math::Box* box, PolarScoring scoring,
                        const int32_t* count, const int32_t* picked, int limit, int32_t* result) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t d = thread_index() / kWarp, image = blockIdx.y;
  const int words = polar_row_words(maps.rays);
  result += image * polar_result_words(maps.rays, limit);
  if (d == 0 && lane == 0) result[0] = count[image];
  if (d >= limit) return;
  int32_t* row = result + 1 + d * words;
  if (d >= count[image]) {
    for (int k = lane; k < words; k += kWarp) row[k] = 0;
    return;
  }
  const int label = picked[(image * limit + d) * 2], slot = picked[(image * limit + d) * 2 + 1];
  const int location = candidates.location[image * candidates.slots + slot];
  const PolarLevel& level = maps.level_of(location);
  const Place at = place_of(level, location, image);
  const auto put = [row](int k, float v) { row[k] = std::bit_cast<int32_t>(v); };
  if (lane == 0) {
    const float p = math::probability(level.cls[at.index * maps.classes + label]);
    const float centerness = math::probability(level.centerness[at.index]);
    const math::Box b = box[image * candidates.slots + slot];
    row[0] = label;
    row[1] = location;
    put(2, math::polar_score(p, centerness, scoring.bias));
    put(3, b.x1);
    put(4, b.y1);
    put(5, b.x2);
    put(6, b.y2);
  }
  for (int k = lane; k < maps.rays; k += kWarp) {
    const auto v = math::polar_vertex(at.x, at.y, level.rays[at.index * maps.rays + k], candidates.direction[k],
                                      candidates.frame[image]);
    put(7 + 2 * k, v.x);
    put(8 + 2 * k, v.y);
  }
}

}  // namespace

void polar_rank(Stream& stream, const PolarMaps& maps, float* rank) {
  const dim3 grid(blocks_for(maps.locations, kThreads / kRankLanes), static_cast<unsigned>(maps.images));
  launch(stream, "polar_rank_kernel", grid, kThreads, 0, polar_rank_kernel, maps, rank);
}

void polar_boxes(Stream& stream, const PolarMaps& maps, const PolarCandidates& candidates, bool from_rays,
                 math::Box* box) {
  const auto images = static_cast<unsigned>(maps.images);
  if (from_rays)
    launch(stream, "polar_bounds_kernel", dim3(blocks_for(candidates.slots, kThreads / kWarp), images), kThreads, 0,
           polar_bounds_kernel, maps, candidates, box);
  else
    launch(stream, "polar_box_kernel", dim3(blocks_for(candidates.slots, kThreads), images), kThreads, 0,
           polar_box_kernel, maps, candidates, box);
}

void polar_keys(Stream& stream, const PolarMaps& maps, const PolarCandidates& candidates, const PolarScoring& scoring,
                uint32_t* key) {
  const dim3 grid(blocks_for(candidates.slots, kTile), blocks_for(maps.classes, kTile),
                  static_cast<unsigned>(maps.images));
  launch(stream, "polar_key_kernel", grid, kTile * kTileRows, 0, polar_key_kernel, maps, candidates, scoring, key);
}

void polar_results(Stream& stream, const PolarMaps& maps, const PolarCandidates& candidates, const math::Box* box,
                   const PolarScoring& scoring, const int32_t* count, const int32_t* picked, int limit,
                   int32_t* result) {
  const dim3 grid(blocks_for(limit, kThreads / kWarp), static_cast<unsigned>(maps.images));
  launch(stream, "polar_result_kernel", grid, kThreads, 0, polar_result_kernel, maps, candidates, box, scoring, count,
         picked, limit, result);
}

}  // namespace az::cuda
