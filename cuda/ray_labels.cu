// Ray labels: which location learns which object, and its rays.   Rule: math/ray_labels.h, math/polar.h; loops on the
// CPU: cpu/ray_labels.cpp, cpu/rays.cpp.   label, object, centerness [n, L], box [n, L, 4], rays [n, L, R]
//
//   block = 64 consecutive locations (a segment) of one level of one image, 8 warps:
//     all threads    write the segment's zeros, 16 bytes at a time
//     thread = object, 256 a round: can it reach the segment's rows?      -> short list in shared memory
//     thread = location: the smallest box among the list that claims it   -> label, object, box, list of positives
//     warp = positive, lane = contour point: whole-degree bin and squared length, the largest of a bin by an integer
//                atomicMax in shared memory; then lane = ray
//   Segments run from the coarsest level to the finest: large objects have long contours, and start first.
//
// Bytes: 28 + 4 R a location, written once (172 at R = 36); objects and contours stay in cache. About 60 flops a
// contour point and positive location. Bound by the memory bandwidth of the dense outputs. Deterministic, equal to the
// CPU to the bit: a maximum does not depend on the order, squared lengths are compared as the integers of their bits
// (none is negative), and lists are compacted in order. The double arctangent of the rule is asked only within 1/1000
// degree of a bin's edge; none of the offsets up to 2048 px lies near enough to a tie of its rounding for the last bits
// of an arctangent to matter (tests/cuda/ray_labels_test.cpp).
//
// Ladder (not measured: no GPU yet)
//   v1  three kernels: a thread a location over all objects; compaction; a block a positive. Writes rays twice.
//   v2  one kernel, a thread a location over all objects of the image.
//   v3  this: only objects that reach the rows, neighbours in a bin settled by shuffles before the atomic.
#include "cuda/ray_labels.h"

#include <bit>

#include "cuda/kernel.cuh"
#include "math/polar_loss.h"
#include "math/ray_labels.h"

namespace az::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kMissing = std::bit_cast<int>(-1.0F);

/// The locations that a block works on: cells first .. first + count of a level's grid.
struct Segment {
  RayLabelLevel level;
  int image, first, count;

  __device__ int x(int cell) const { return cell % level.width * level.stride + level.stride / 2; }
  __device__ int y(int cell) const { return cell / level.width * level.stride + level.stride / 2; }
  /// Index of the first location in [images, L].
  __device__ int64_t location(const RayLabelPlan& plan) const {
    return int64_t{image} * plan.locations + level.first + first;
  }
};

__device__ Segment find_segment(const RayLabelPlan& plan, int images) {
  const int index = plan.segments - 1 - static_cast<int>(blockIdx.x) / images;
  int level = plan.level_count - 1;
  while (index < plan.levels[level].first_segment) --level;
  Segment s{plan.levels[level], static_cast<int>(blockIdx.x) % images, 0, 0};
  s.first = (index - s.level.first_segment) * kRayLabelSegment;
  s.count = min(s.level.height * s.level.width - s.first, kRayLabelSegment);
  return s;
}

/// Zeros by all threads of the block: floats up to a multiple of 16 bytes, then four at a time, then the rest.
__device__ void clear(float* p, int count) {
  const int odd = static_cast<int>(reinterpret_cast<uintptr_t>(p) / sizeof(float) % 4);
  const int head = min(odd == 0 ? 0 : 4 - odd, count);
  const int quads = (count - head) / 4;
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < quads; i += kThreads) reinterpret_cast<float4*>(p + head)[i] = make_float4(0, 0, 0, 0);
  if (thread < head) p[thread] = 0;
  for (int i = head + 4 * quads + thread; i < count; i += kThreads) p[i] = 0;
}

/// Puts `value` of the threads that keep theirs into a list, in the threads' order. Returns their number. The whole
/// block calls it; the list is readable afterwards. counts [kWarps]
__device__ int compact(bool keep, int value, int* list, int* counts) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const unsigned votes = __ballot_sync(kWholeWarp, keep);
  if (lane == 0) counts[warp] = __popc(votes);
  __syncthreads();
  int before = 0, total = 0;
  for (int w = 0; w < kWarps; ++w) {
    before += w < warp ? counts[w] : 0;
    total += counts[w];
  }
  if (keep) list[before + __popc(votes & ((1U << lane) - 1))] = value;
  __syncthreads();
  return total;
}

struct Windows {
  math::ClaimWindow across, down;
};

__device__ Windows windows(const RayLabelInput& in, int object, float radius) {
  const float* box = in.boxes + int64_t{object} * 4;
  const int32_t* centre = in.centres + int64_t{object} * 2;
  return {math::claim_window(static_cast<float>(centre[0]), radius, box[0], box[2]),
          math::claim_window(static_cast<float>(centre[1]), radius, box[1], box[3])};
}

/// The object that this thread's location learns, -1 for none. `list` and `counts` are shared memory of the block.
__device__ int winner(const RayLabelPlan& plan, const RayLabelInput& in, const Segment& s, int* list, int* counts) {
  const int begin = in.object_offsets[s.image], end = in.object_offsets[s.image + 1];
  if (plan.wipe_when_center_x_zero && begin < end && in.centres[int64_t{begin} * 2] == 0) return -1;
  const float radius = static_cast<float>(s.level.stride) * plan.center_radius;
  const float top = static_cast<float>(s.y(s.first)), bottom = static_cast<float>(s.y(s.first + s.count - 1));
  const int thread = static_cast<int>(threadIdx.x);
  const int cell = s.first + thread;
  const float x = static_cast<float>(s.x(cell)), y = static_cast<float>(s.y(cell));
  int best = -1;
  float smallest = math::kNoArea;
  for (int round = begin; round < end; round += kThreads) {
    const int own = round + thread;
    bool reaches = false;
    if (own < end && in.contour_offsets[own] < in.contour_offsets[own + 1]) {
      const math::ClaimWindow down = windows(in, own, radius).down;
      reaches = down.above_low(bottom) && down.below_high(top);
    }
    const int candidates = compact(reaches, own, list, counts);
    for (int i = 0; thread < s.count && i < candidates; ++i) {
      const int object = list[i];
      const float* box = in.boxes + int64_t{object} * 4;
      const Windows w = windows(in, object, radius);
      const float area = math::label_area(box);
      if (area < smallest && w.across.holds(x) && w.down.holds(y) &&
          math::side_distances(box, x, y).within(s.level.nearest, s.level.farthest)) {
        smallest = area;
        best = object;
      }
    }
    __syncthreads();  // the list is read until here
  }
  return best;
}

/// Label, object and box of this thread's location; its centerness is 0 until a warp has cast its rays.
__device__ void write_location(const RayLabelPlan& plan, const RayLabelInput& in, const Segment& s,
                               const RayLabelOutput& out, int object) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread >= s.count) return;
  const int64_t at = s.location(plan) + thread;
  const bool positive = object >= 0;
  const int background = in.ignored != nullptr && in.ignored[at] != 0 ? -1 : 0;
  if (out.label != nullptr) out.label[at] = positive ? in.labels[object] : background;
  if (out.object != nullptr) out.object[at] = positive ? object - in.object_offsets[s.image] : -1;
  if (out.centerness != nullptr) out.centerness[at] = 0;
  if (out.box == nullptr) return;
  const int cell = s.first + thread;
  math::SideDistances sides{0, 0, 0, 0};
  if (positive)
    sides = math::side_distances(in.boxes + int64_t{object} * 4, static_cast<float>(s.x(cell)),
                                 static_cast<float>(s.y(cell)));
  float* box = out.box + at * 4;
  if (reinterpret_cast<uintptr_t>(out.box) % sizeof(float4) == 0) {
    *reinterpret_cast<float4*>(box) = make_float4(sides.left, sides.top, sides.right, sides.bottom);
  } else {
    box[0] = sides.left, box[1] = sides.top, box[2] = sides.right, box[3] = sides.bottom;
  }
}

/// Bits of squared lengths in shared memory, as math::ray_from_bins reads them.
struct SquaredBins {
  const int* bits;
  AZ_HD float operator[](int bin) const { return std::bit_cast<float>(bits[bin]); }
};

/// One contour as a warp sees it from (x, y).
struct Contour {
  const int2* points;
  int count;
  float x, y;
};

/// The largest squared length of every whole-degree bin. bins [kAngleBins] in shared memory, kMissing before
__device__ void fill_bins(const Contour& contour, int lane, int* bins) {
  for (int base = 0; base < contour.count; base += kWarp) {
    int bin = -1;
    float squared = -1.0F;
    if (base + lane < contour.count) {
      const int2 p = contour.points[base + lane];
      const float dx = static_cast<float>(p.x) - contour.x, dy = static_cast<float>(p.y) - contour.y;
      bin = math::fast_angle_bin(dx, dy);
      if (bin < 0) bin = math::angle_bin(dx, dy);
      squared = dx * dx + dy * dy;
    }
    // Neighbours on a contour mostly share a bin: a lane with a farther one beside it leaves the bin to that one. Of
    // equal ones the last stays, so the farthest of a run always does.
    const int bin_before = __shfl_up_sync(kWholeWarp, bin, 1), bin_after = __shfl_down_sync(kWholeWarp, bin, 1);
    const float before = __shfl_up_sync(kWholeWarp, squared, 1), after = __shfl_down_sync(kWholeWarp, squared, 1);
    const bool hidden = (lane > 0 && bin_before == bin && before > squared) ||
                        (lane + 1 < kWarp && bin_after == bin && after >= squared);
    if (bin >= 0 && !hidden) atomicMax(&bins[bin], std::bit_cast<int>(squared));
  }
}

/// The farthest crossing of every ray with the contour. lengths [rays] in shared memory, kMissing before
__device__ void fill_crossings(const Contour& contour, const double* u, int rays, int lane, int* lengths) {
  const float per_ray = 360.0F / static_cast<float>(rays);
  for (int i = lane; i < contour.count; i += kWarp) {
    const int2 a = contour.points[i == 0 ? contour.count - 1 : i - 1], b = contour.points[i];
    const float ax = static_cast<float>(a.x) - contour.x, ay = static_cast<float>(a.y) - contour.y;
    const float bx = static_cast<float>(b.x) - contour.x, by = static_cast<float>(b.y) - contour.y;
    if ((ax == 0 && ay == 0) || (bx == 0 && by == 0)) continue;
    const math::RaySpan span = math::rays_across(math::fast_degrees(ax, ay), math::fast_degrees(bx, by), per_ray);
    for (int k = span.first; k <= span.last; ++k) {
      const int ray = (k + rays) % rays;
      const double length =
          math::ray_crossing(u[2 * ray], u[2 * ray + 1], double{ax}, double{ay}, double{bx}, double{by});
      if (length > 0) atomicMax(&lengths[ray], std::bit_cast<int>(static_cast<float>(length)));
    }
  }
}

/// Rays and centerness of one positive location, by one warp.
/// bins [kAngleBins], found [rays]: shared memory of the warp
template <bool kExact>
__device__ void cast_rays(const RayLabelPlan& plan, const RayLabelInput& in, const Contour& contour, int* bins,
                          float* found, float* rays, float* centerness) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int n = plan.rays;
  __syncwarp();  // `found` may still be read for the location before
  for (int i = lane; i < math::kAngleBins; i += kWarp) bins[i] = kMissing;
  __syncwarp();
  if constexpr (kExact) {
    fill_crossings(contour, in.directions, n, lane, bins);
  } else {
    fill_bins(contour, lane, bins);
  }
  __syncwarp();
  int count = 0;
  for (int k = lane; k < n; k += kWarp) {
    found[k] = kExact ? SquaredBins{bins}[k] : math::ray_from_bins(SquaredBins{bins}, k, n);
    count += found[k] >= 0 ? 1 : 0;
  }
  count = warp_sum(count);
  __syncwarp();
  const bool fill = kExact ? count > 0 : plan.mode == math::LabelMode::filled && count * 3 >= n;
  float shortest = 0, longest = 0;
  for (int k = lane; k < n; k += kWarp) {
    float length = found[k];
    if (length < 0 && fill) length = math::ray_in_gap(found, k, n, kExact ? n : plan.fill_max_run);
    length = length < 0 ? math::kMissingRay : length;
    if (rays != nullptr) rays[k] = length;
    shortest = k == lane || length < shortest ? length : shortest;
    longest = k == lane || length > longest ? length : longest;
  }
  // A lane without a ray takes part with ray 0's.
  const float shortest_0 = __shfl_sync(kWholeWarp, shortest, 0), longest_0 = __shfl_sync(kWholeWarp, longest, 0);
  float extremes[2] = {lane < n ? shortest : shortest_0, lane < n ? longest : longest_0};
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    extremes[0] = fminf(extremes[0], __shfl_xor_sync(kWholeWarp, extremes[0], offset));
    extremes[1] = fmaxf(extremes[1], __shfl_xor_sync(kWholeWarp, extremes[1], offset));
  }
  if (lane == 0 && centerness != nullptr) *centerness = math::polar_centerness(extremes, 2);
}

template <bool kExact>
__global__ void __launch_bounds__(kThreads)
    ray_labels_kernel(RayLabelPlan plan, RayLabelInput in, int images, RayLabelOutput out) {
  AZ_SHARED(list, int[kThreads]);
  AZ_SHARED(counts, int[kWarps]);
  AZ_SHARED(objects, int[kRayLabelSegment]);
  const Segment s = find_segment(plan, images);
  const int64_t first = s.location(plan);
  if (out.rays != nullptr) clear(out.rays + first * plan.rays, s.count * plan.rays);
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
  const int object = winner(plan, in, s, list, counts);
  write_location(plan, in, s, out, object);
  if (thread < s.count) objects[thread] = object;
  const int positives = compact(thread < s.count && object >= 0, thread, list, counts);
  if (out.rays == nullptr && out.centerness == nullptr) return;
  int* bins = dynamic_shared<int>() + warp * math::kAngleBins;
  float* found = dynamic_shared<float>() + kWarps * math::kAngleBins + warp * plan.rays;
  for (int i = warp; i < positives; i += kWarps) {
    const int at = list[i], cell = s.first + at, begin = in.contour_offsets[objects[at]];
    const Contour contour{reinterpret_cast<const int2*>(in.points) + begin, in.contour_offsets[objects[at] + 1] - begin,
                          static_cast<float>(s.x(cell)), static_cast<float>(s.y(cell))};
    cast_rays<kExact>(plan, in, contour, bins, found,
                      out.rays == nullptr ? nullptr : out.rays + (first + at) * plan.rays,
                      out.centerness == nullptr ? nullptr : out.centerness + first + at);
  }
}

}  // namespace

void ray_labels(Stream& stream, const RayLabelPlan& plan, const RayLabelInput& input, int images,
                const RayLabelOutput& output) {
  const auto blocks = static_cast<unsigned>(plan.segments * images);
  const int shared = kWarps * (math::kAngleBins + plan.rays) * static_cast<int>(sizeof(int));
  const auto kernel = plan.mode == math::LabelMode::exact ? ray_labels_kernel<true> : ray_labels_kernel<false>;
  launch(stream, "ray_labels_kernel", blocks, kThreads, shared, kernel, plan, input, images, output);
}

}  // namespace az::cuda
