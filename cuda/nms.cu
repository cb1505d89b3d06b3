// Class-wise greedy suppression (contract: cuda/nms.h). IoU: math/boxes.h.
//
// Method   Per class: sort the candidates above the threshold by (score, slot); take 64 of them at a time, the overlaps
//          inside the 64 as bit masks; walk the masks to know who of the 64 is kept; strike out the rest of the list
//          against the kept. Once a class has limit + 1 survivors the image has too many and the cut is by score, for
//          which the class's next ones are worse: it stops. Survivors of all classes are ranked by counting.
// Memory   A bit mask of all pairs takes slots^2 / 8 bytes a class, 250 MB for 80 classes of 5000. Striking out 64 at a
//          time needs one bit a candidate, in shared memory, and nothing can overflow: each list holds all slots.
// Mapping  nms_sort_kernel      a block of 512 threads a (class, image): compacts in order, sorts
//          nms_suppress_kernel  a block of 256 a (class, image): a warp a row of the 64 x 64 masks, then a warp a word
//                               of 64 later candidates, two a lane, joined by ballots
//          nms_cut_kernel       a warp a survivor: its rank, lanes over the classes' sorted lists (binary search)
// Work     Sort m log2(m)^2 / 4 pairs; at most (kept + 64) * m overlaps of 25 flops. Limited by latency: a few
//          barriers for each 64 candidates of the fullest class.
// Bits     Deterministic: orders are total, all counts whole numbers.
// Ladder   (not measured: no GPU yet)
//   v1  a thread a class, as the CPU
//   v2  masks of all pairs in global memory, one block scans them
//   v3  this
#include "cuda/nms.h"

#include "cuda/block_sort.cuh"

namespace az::cuda {
namespace {

constexpr int kSortThreads = 512, kSuppressThreads = 256, kCutThreads = 256;
constexpr int kTile = 64;

/// Where things lie in the workspace. L = images * classes lists.
struct Work {
  uint64_t* sort;      // [L, padded slots], null where lists are sorted in shared memory
  int32_t* order;      // [L, slots] slots of the candidates, best first
  uint32_t* kept_key;  // [L, limit + 1]
  int32_t* kept_slot;  // [L, limit + 1], best first
  int32_t* listed;     // [L] candidates
  int32_t* kept;       // [L] survivors, at most limit + 1
};

/// listed[l] and order[l] of list l = (image, class).
__global__ void __launch_bounds__(kSortThreads) nms_sort_kernel(const uint32_t* keys, NmsShape shape, Work work) {
  AZ_SHARED(parts, int[kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t list = int64_t{blockIdx.y} * shape.classes + blockIdx.x;
  const uint32_t* key = keys + list * shape.slots;
  const WarpRun run = warp_run(shape.slots);
  int mine = 0, total = 0;
  for (int base = run.begin; base < run.end; base += kWarp)
    mine += __popc(__ballot_sync(kWholeWarp, base + lane < run.end && key[base + lane] != 0));
  int to = warps_before(mine, parts, total);
  if (threadIdx.x == 0) work.listed[list] = total;
  if (total == 0) return;
  const int padded = padded_size(total);
  uint64_t* sorted = padded <= kSharedSort ? dynamic_shared<uint64_t>() : work.sort + list * padded_size(shape.slots);
  for (int base = run.begin; base < run.end; base += kWarp) {
    const uint32_t k = base + lane < run.end ? key[base + lane] : 0;
    const unsigned some = __ballot_sync(kWholeWarp, k != 0);
    if (k != 0) sorted[to + __popc(some & lanes_below())] = ranked(k, base + lane);
    to += __popc(some);
  }
  for (int i = total + static_cast<int>(threadIdx.x); i < padded; i += kSortThreads) sorted[i] = 0;
  __syncthreads();
  block_sort_descending(sorted, padded);
  int32_t* order = work.order + list * shape.slots;
  for (int i = static_cast<int>(threadIdx.x); i < total; i += kSortThreads) order[i] = index_of(sorted[i]);
}

/// Bits of a word of 64 list places that hold a candidate.
__device__ uint64_t places(int count, int word) {
  const int rest = count - word * kTile;
  return rest >= kTile ? ~uint64_t{0} : (uint64_t{1} << rest) - 1U;
}

__device__ bool has(uint64_t bits, int i) { return (bits >> i & 1U) != 0; }

/// masks[i], for every i of `alive`: the later ones of `alive` that box i strikes out.
__device__ void overlaps_inside(const math::Box* tile, uint64_t alive, const NmsShape& shape, uint64_t* masks) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  for (int i = warp; i < kTile; i += kSuppressThreads / kWarp) {
    if (!has(alive, i)) continue;
    uint64_t mask = 0;
    for (int half = 0; half < kTile; half += kWarp) {
      const int j = half + lane;
      const bool out = j > i && has(alive, j) && math::box_iou(tile[i], tile[j], shape.extra) > shape.iou;
      mask |= uint64_t{__ballot_sync(kWholeWarp, out)} << half;
    }
    if (lane == 0) masks[i] = mask;
  }
}

/// Of a warp's 64 places, `alive` ones: those that a kept box of the tile strikes out.
__device__ uint64_t struck_out(const math::Box* tile, uint64_t kept, const math::Box* boxes, const int32_t* order,
                               uint64_t alive, const NmsShape& shape) {
  uint64_t gone = 0;
  for (int half = 0; half < kTile; half += kWarp) {
    const int j = half + static_cast<int>(threadIdx.x) % kWarp;
    bool out = false;
    if (has(alive, j)) {
      const math::Box box = boxes[order[j]];
      for (uint64_t rest = kept; rest != 0 && !out; rest &= rest - 1U) {
        const int i = __ffsll(static_cast<long long>(rest)) - 1;
        out = math::box_iou(tile[i], box, shape.extra) > shape.iou;
      }
    }
    gone |= uint64_t{__ballot_sync(kWholeWarp, out)} << half;
  }
  return gone;
}

/// kept[l], kept_key[l] and kept_slot[l] of list l.
__global__ void __launch_bounds__(kSuppressThreads)
    nms_suppress_kernel(const uint32_t* keys, const math::Box* boxes, NmsShape shape, Work work) {
  AZ_SHARED(tile, math::Box[kTile]);
  AZ_SHARED(masks, uint64_t[kTile]);
  uint64_t* removed = dynamic_shared<uint64_t>();  // one bit a place of the list
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  const int64_t list = int64_t{blockIdx.y} * shape.classes + blockIdx.x;
  const int count = work.listed[list], words = (count + kTile - 1) / kTile, capacity = shape.limit + 1;
  const int32_t* order = work.order + list * shape.slots;
  boxes += int64_t{blockIdx.y} * shape.slots;
  for (int w = thread; w < words; w += kSuppressThreads) removed[w] = 0;
  __syncthreads();
  int survivors = 0;
  for (int word = 0; word < words && survivors < capacity; ++word) {
    const uint64_t alive = places(count, word) & ~removed[word];
    if (alive == 0) continue;
    const int32_t* here = order + word * kTile;
    if (thread < kTile && has(alive, thread)) tile[thread] = boxes[here[thread]];
    __syncthreads();
    overlaps_inside(tile, alive, shape, masks);
    __syncthreads();
    uint64_t kept = 0;  // walked by every thread alike, which saves a barrier
    for (uint64_t rest = alive; rest != 0;) {
      const int i = __ffsll(static_cast<long long>(rest)) - 1;
      kept |= uint64_t{1} << i;
      rest &= ~(masks[i] | uint64_t{1} << i);
    }
    if (thread < kTile && has(kept, thread)) {
      const int to = survivors + __popcll(kept & ((uint64_t{1} << thread) - 1U));
      if (to < capacity) {
        work.kept_slot[list * capacity + to] = here[thread];
        work.kept_key[list * capacity + to] = keys[list * shape.slots + here[thread]];
      }
    }
    survivors += __popcll(kept);
    for (int w = word + 1 + warp; w < words; w += kSuppressThreads / kWarp) {
      const uint64_t before = removed[w];
      const uint64_t gone = struck_out(tile, kept, boxes, order + w * kTile, places(count, w) & ~before, shape);
      if (lane == 0) removed[w] = before | gone;
    }
    __syncthreads();
  }
  if (thread == 0) work.kept[list] = survivors < capacity ? survivors : capacity;
}

/// How many of the keys [count], sorted from large to small, come before `key`: larger, or equal where `or_equal`.
__device__ int keys_before(const uint32_t* keys, int count, uint32_t key, bool or_equal) {
  int low = 0, high = count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (keys[middle] > key || (or_equal && keys[middle] == key))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/// Puts the survivors where they belong: a warp a place of the lists [classes, limit + 1]. The first `limit` warps also
/// clear what no survivor takes.
__global__ void __launch_bounds__(kCutThreads)
    nms_cut_kernel(NmsShape shape, Work work, int32_t* count, int32_t* picked) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int capacity = shape.limit + 1;
  const int64_t place = thread_index() / kWarp;
  const int64_t first_list = int64_t{blockIdx.y} * shape.classes;
  const int32_t* kept = work.kept + first_list;
  const uint32_t* keys = work.kept_key + first_list * capacity;
  const int32_t* slots = work.kept_slot + first_list * capacity;
  int32_t* out = picked + int64_t{blockIdx.y} * shape.limit * 2;
  const int own = static_cast<int>(place / capacity), i = static_cast<int>(place % capacity);
  const bool survivor = own < shape.classes && i < kept[own];
  if (!survivor && place >= shape.limit) return;

  int total = 0;
  for (int c = lane; c < shape.classes; c += kWarp) total += kept[c];
  total = warp_sum(total);
  if (place == 0 && lane == 0) count[blockIdx.y] = total < shape.limit ? total : shape.limit;
  if (place >= total && place < shape.limit && lane < 2) out[place * 2 + lane] = -1;
  if (!survivor) return;

  const int slot = slots[own * capacity + i];
  const uint32_t key = keys[own * capacity + i];
  int rank = 0;
  if (total <= shape.limit) {  // class by class, in order of slots
    for (int c = lane; c < own; c += kWarp) rank += kept[c];
    for (int k = lane; k < kept[own]; k += kWarp) rank += slots[own * capacity + k] < slot ? 1 : 0;
  } else {
    for (int c = lane; c < shape.classes; c += kWarp)
      rank += c == own ? i : keys_before(keys + int64_t{c} * capacity, kept[c], key, c < own);
  }
  rank = warp_sum(rank);
  if (rank < shape.limit && lane < 2) out[rank * 2 + lane] = lane == 0 ? own : slot;
}

/// Lays the workspace out from `base`, and returns its size.
int64_t lay_out(const NmsShape& shape, void* base, Work& work) {
  const int64_t lists = int64_t{shape.images} * shape.classes;
  const int padded = padded_size(shape.slots);
  int64_t used = 0;
  const auto take = [&](auto*& pointer, int64_t elements) {
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(reinterpret_cast<intptr_t>(base) + used);
    used += (elements * static_cast<int64_t>(sizeof *pointer) + 15) / 16 * 16;
  };
  take(work.sort, padded > kSharedSort ? lists * padded : 0);
  take(work.order, lists * shape.slots);
  take(work.kept_key, lists * (shape.limit + 1));
  take(work.kept_slot, lists * (shape.limit + 1));
  take(work.listed, lists);
  take(work.kept, lists);
  return used;
}

}  // namespace

int64_t nms_workspace_bytes(const NmsShape& shape) {
  Work work;
  return lay_out(shape, nullptr, work);
}

void class_nms(Stream& stream, const uint32_t* keys, const math::Box* boxes, const NmsShape& shape, void* workspace,
               int32_t* count, int32_t* picked) {
  Work work;
  lay_out(shape, workspace, work);
  const dim3 lists(static_cast<unsigned>(shape.classes), static_cast<unsigned>(shape.images));
  const int sorted = padded_size(shape.slots) < kSharedSort ? padded_size(shape.slots) : kSharedSort;
  launch(stream, "nms_sort_kernel", lists, kSortThreads, sorted * 8, nms_sort_kernel, keys, shape, work);
  const int words = (shape.slots + kTile - 1) / kTile;
  launch(stream, "nms_suppress_kernel", lists, kSuppressThreads, words * 8, nms_suppress_kernel, keys, boxes, shape,
         work);
  const int64_t places = int64_t{shape.classes} * (shape.limit + 1);
  const dim3 warps(blocks_for(places, kCutThreads / kWarp), static_cast<unsigned>(shape.images));
  launch(stream, "nms_cut_kernel", warps, kCutThreads, 0, nms_cut_kernel, shape, work, count, picked);
}

}  // namespace az::cuda
