// The losses of positive locations: polar IoU over r rays, box IoU, centerness cross-entropy; and the centerness of
// labels. Formulas and sources: math/polar_loss.h. At batch 16 there are 358,000 rows of 36 rays, a thousand of them
// positive: the time is that of reading labels and weights (8 bytes a row) and, backward, of writing zeros (4 r bytes).
//
// Mapping of the ray kernels: a warp takes 32 rows at a time, a lane the label and weight of one. A vote says which
// rows count; the warp then walks over those alone, a lane the rays lane, lane + 32, ..., and adds up across the lanes.
//
//   rows   0 1 2 3 ... 31     lane i reads label i
//   vote   . x . . ... x      2 rows count
//   row 1  rays 0..31 of pred and target, one a lane, then 32..35; sums by a butterfly
//
// Groups without such a row are zeroed 16 bytes a lane in backward. The box and centerness losses have 4 numbers and 1
// a row: a thread a row.
//
// Sums over rows: in double, warp or thread, block, then (weighted_mean_kernel) the blocks in order; blocks follow from
// the shape alone. Centerness takes minima and maxima, which have no order: equal to the CPU's to the bit. Everything
// is deterministic; no host waits for a count. Ladder (not measured: no GPU yet):
//   v1  a thread a row: the few positive rows leave 31 lanes idle for 36 dependent steps, dx rows are written scattered
//   v2  this: a vote, a warp a positive row, contiguous zeros
#include "cuda/polar_loss.h"

#include "cuda/kernel.cuh"

namespace az::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 132 * 8;

unsigned row_blocks(int64_t rows, int64_t most = kMostBlocks) { return blocks_for(rows, kThreads, most); }

/// Calls f(row, weight of the row) with the whole warp for each row of 32 from `first` whose weight is not 0.
/// `weight`: that of row first + lane, or 0.
template <class T, class F>
__device__ void for_each_counted(int64_t first, T weight, const F& f) {
  for (unsigned left = __ballot_sync(kWholeWarp, weight != T(0)); left != 0; left &= left - 1) {
    const int source = __ffs(static_cast<int>(left)) - 1;
    f(first + source, __shfl_sync(kWholeWarp, weight, source));
  }
}

template <class T>
__device__ T weight_or_0(const math::Rows<T>& rows, int64_t row) {
  return row < rows.count ? rows.weight_of(row) : T(0);
}

template <class Sums>
__device__ void add_lanes(Sums& sums) {
  if constexpr (requires { sums.larger; }) {
    sums.larger = warp_sum(sums.larger);
    sums.smaller = warp_sum(sums.smaller);
  } else {
    sums.sum = warp_sum(sums.sum);
  }
}

/// The sums of one row's rays, in every lane.
template <class Formula, class T>
__device__ auto row_sums(const T* pred, const T* target, int64_t r, int lane) {
  typename Formula::template Sums<T> sums;
  for (int64_t k = lane; k < r; k += kWarp) sums.add(pred[k], target[k]);
  add_lanes(sums);
  return sums;
}

/// The block's sums of its threads' `weight` and `value` go to parts [2, gridDim.x].
__device__ void store_part(double weight, double value, double* parts) {
  weight = block_sum(weight);
  value = block_sum(value);
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = weight;
    parts[gridDim.x + blockIdx.x] = value;
  }
}

/// One block adds the parts of `blocks` blocks: loss = value / weight, norm = weight.
template <class T>
__global__ void __launch_bounds__(kThreads) weighted_mean_kernel(const double* parts, int blocks, T* loss, T* norm) {
  double weight = 0, value = 0;
  for (int b = static_cast<int>(threadIdx.x); b < blocks; b += kThreads) {
    weight += parts[b];
    value += parts[blocks + b];
  }
  weight = block_sum(weight);
  value = block_sum(value);
  if (threadIdx.x != 0) return;
  norm[0] = static_cast<T>(weight);
  loss[0] = weight == 0 ? T(0) : static_cast<T>(value / weight);
}

template <class T>
__device__ T scale_of(const T* norm, const T* dy) {
  return norm[0] == T(0) ? T(0) : dy[0] / norm[0];
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    polar_centerness_kernel(const T* __restrict__ rays, const int32_t* __restrict__ labels, int64_t rows, int64_t r,
                            T* __restrict__ centerness) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t first = thread_index() - lane, row = first + lane;
  T mine = 0;
  for_each_counted(first, row < rows && labels[row] > 0 ? T(1) : T(0), [&](int64_t at, T) {
    const T* lengths = rays + at * r;
    T shortest = lengths[0], longest = lengths[0];
    for (int64_t k = lane; k < r; k += kWarp) {
      shortest = lengths[k] < shortest ? lengths[k] : shortest;
      longest = lengths[k] > longest ? lengths[k] : longest;
    }
    for (int offset = kWarp / 2; offset > 0; offset /= 2) {
      const T low = __shfl_xor_sync(kWholeWarp, shortest, offset), high = __shfl_xor_sync(kWholeWarp, longest, offset);
      shortest = low < shortest ? low : shortest;
      longest = high > longest ? high : longest;
    }
    if (at == row) mine = math::centerness_of_extremes(shortest, longest);
  });
  if (row < rows) centerness[row] = mine;
}

template <class Formula, class T>
__global__ void __launch_bounds__(kThreads)
    polar_iou_loss_kernel(const T* __restrict__ pred, const T* __restrict__ target, math::Rows<T> rows, int64_t r,
                          double* parts) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  double weight = 0, value = 0;  // of the rows before, in lane 0
  for (int64_t first = thread_index() - lane; first < rows.count; first += thread_count())
    for_each_counted(first, weight_or_0(rows, first + lane), [&](int64_t row, T w) {
      const T loss = row_sums<Formula>(pred + row * r, target + row * r, r, lane).loss(r);
      weight += lane == 0 ? static_cast<double>(w) : 0;
      value += lane == 0 ? static_cast<double>(w) * static_cast<double>(loss) : 0;
    });
  store_part(weight, value, parts);
}

/// Zeros in `count` elements, 16 bytes a lane where they are aligned.
template <class T>
__device__ void zero_with_warp(T* to, int64_t count, int lane) {
  constexpr int kPack = 16 / static_cast<int>(sizeof(T));
  const int64_t packs = reinterpret_cast<uintptr_t>(to) % 16 == 0 ? count / kPack : 0;
  for (int64_t k = lane; k < packs; k += kWarp) reinterpret_cast<int4*>(to)[k] = make_int4(0, 0, 0, 0);
  for (int64_t k = packs * kPack + lane; k < count; k += kWarp) to[k] = T(0);
}

template <class Formula, class T>
__global__ void __launch_bounds__(kThreads)
    polar_iou_backward_kernel(const T* __restrict__ pred, const T* __restrict__ target, math::Rows<T> rows, int64_t r,
                              const T* __restrict__ norm, const T* __restrict__ dy, T* __restrict__ dx) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t first = thread_index() - lane;
  if (first >= rows.count) return;  // with all its lanes
  const T weight = weight_or_0(rows, first + lane);
  const unsigned counted = __ballot_sync(kWholeWarp, weight != T(0));
  const int64_t here = rows.count - first < kWarp ? rows.count - first : int64_t{kWarp};
  if (counted == 0) {
    zero_with_warp(dx + first * r, here * r, lane);
    return;
  }
  const T scale = scale_of(norm, dy);
  for (int64_t i = 0; i < here; ++i)
    if ((counted >> i & 1U) == 0) zero_with_warp(dx + (first + i) * r, r, lane);
  for_each_counted(first, weight, [&](int64_t row, T w) {
    const T *d = pred + row * r, *t = target + row * r;
    const typename Formula::template Gradient<T> gradient(row_sums<Formula>(d, t, r, lane), r, scale * w);
    for (int64_t k = lane; k < r; k += kWarp) dx[row * r + k] = gradient.slope(d[k], t[k]);
  });
}

/// Box IoU as a loss of rows with 4 numbers each.
template <class T>
struct BoxRow {
  static constexpr int kColumns = 4;
  const T* points;
  int64_t l;
  const T *pred, *target;
  __device__ T loss(int64_t row) const {
    return math::BoxIou{}.loss(points + row % l * 2, pred + row * 4, target + row * 4);
  }
  __device__ void backward(int64_t row, T factor, T* dx) const {
    math::BoxIou{}.backward(points + row % l * 2, pred + row * 4, target + row * 4, factor, dx);
  }
};

/// Cross-entropy as a loss of rows with one number each.
template <class T>
struct CrossEntropyRow {
  static constexpr int kColumns = 1;
  const T *logits, *target;
  __device__ T loss(int64_t row) const { return math::BinaryCrossEntropy{}.loss(logits[row], target[row]); }
  __device__ void backward(int64_t row, T factor, T* dx) const {
    dx[0] = factor * math::BinaryCrossEntropy{}.slope(logits[row], target[row]);
  }
};

/// A thread a row, rows a grid apart.
template <class Loss, class T>
__global__ void __launch_bounds__(kThreads) row_loss_kernel(Loss loss, math::Rows<T> rows, double* parts) {
  double weight = 0, value = 0;
  for (int64_t row = thread_index(); row < rows.count; row += thread_count()) {
    const T w = rows.weight_of(row);
    if (w == T(0)) continue;
    weight += static_cast<double>(w);
    value += static_cast<double>(w) * static_cast<double>(loss.loss(row));
  }
  store_part(weight, value, parts);
}

template <class Loss, class T>
__global__ void __launch_bounds__(kThreads)
    row_loss_backward_kernel(Loss loss, math::Rows<T> rows, const T* __restrict__ norm, const T* __restrict__ dy,
                             T* __restrict__ dx) {
  const int64_t row = thread_index();
  if (row >= rows.count) return;
  const T w = rows.weight_of(row);
  T slopes[Loss::kColumns] = {};
  if (w != T(0)) loss.backward(row, scale_of(norm, dy) * w, slopes);
#pragma unroll
  for (int k = 0; k < Loss::kColumns; ++k) dx[row * Loss::kColumns + k] = slopes[k];
}

template <class T>
void finish(Stream& stream, unsigned blocks, const double* parts, T* loss, T* norm) {
  launch(stream, "weighted_mean_kernel", 1, kThreads, 0, weighted_mean_kernel<T>, parts, static_cast<int>(blocks), loss,
         norm);
}

template <class Loss, class T>
void row_loss(Stream& stream, const Loss& of, const math::Rows<T>& rows, double* parts, T* loss, T* norm) {
  const unsigned blocks = row_blocks(rows.count);
  launch(stream, "row_loss_kernel", blocks, kThreads, 0, row_loss_kernel<Loss, T>, of, rows, parts);
  finish(stream, blocks, parts, loss, norm);
}

template <class Loss, class T>
void row_loss_backward(Stream& stream, const Loss& of, const math::Rows<T>& rows, const T* norm, const T* dy, T* dx) {
  launch(stream, "row_loss_backward_kernel", row_blocks(rows.count, INT32_MAX), kThreads, 0,
         row_loss_backward_kernel<Loss, T>, of, rows, norm, dy, dx);
}

template <class F>
void with_formula(math::PolarIouKind kind, const F& f) {
  switch (kind) {
    case math::PolarIouKind::v1: return f(math::PolarIouOfSums<false>{});
    case math::PolarIouKind::v2: return f(math::PolarIouOfRays{});
    case math::PolarIouKind::v3: return f(math::PolarIouOfSums<true>{});
  }
}

}  // namespace

int64_t row_loss_parts(int64_t rows) { return 2 * int64_t{row_blocks(rows)}; }

template <class T>
void polar_centerness(Stream& stream, const T* rays, const int32_t* labels, int64_t rows, int64_t r, T* centerness) {
  launch(stream, "polar_centerness_kernel", row_blocks(rows, INT32_MAX), kThreads, 0, polar_centerness_kernel<T>, rays,
         labels, rows, r, centerness);
}

template <class T>
void polar_iou_loss(Stream& stream, math::PolarIouKind kind, const T* pred, const T* target, const math::Rows<T>& rows,
                    int64_t r, double* parts, T* loss, T* norm) {
  const unsigned blocks = row_blocks(rows.count);
  with_formula(kind, [&]<class Formula>(Formula) {
    launch(stream, "polar_iou_loss_kernel", blocks, kThreads, 0, polar_iou_loss_kernel<Formula, T>, pred, target, rows,
           r, parts);
  });
  finish(stream, blocks, parts, loss, norm);
}

template <class T>
void polar_iou_loss_backward(Stream& stream, math::PolarIouKind kind, const T* pred, const T* target,
                             const math::Rows<T>& rows, int64_t r, const T* norm, const T* dy, T* dx) {
  with_formula(kind, [&]<class Formula>(Formula) {
    launch(stream, "polar_iou_backward_kernel", row_blocks(rows.count, INT32_MAX), kThreads, 0,
           polar_iou_backward_kernel<Formula, T>, pred, target, rows, r, norm, dy, dx);
  });
}

template <class T>
void box_iou_loss(Stream& stream, const T* points, int64_t l, const T* pred, const T* target, const math::Rows<T>& rows,
                  double* parts, T* loss, T* norm) {
  row_loss(stream, BoxRow<T>{points, l, pred, target}, rows, parts, loss, norm);
}

template <class T>
void box_iou_loss_backward(Stream& stream, const T* points, int64_t l, const T* pred, const T* target,
                           const math::Rows<T>& rows, const T* norm, const T* dy, T* dx) {
  row_loss_backward(stream, BoxRow<T>{points, l, pred, target}, rows, norm, dy, dx);
}

template <class T>
void centerness_bce(Stream& stream, const T* logits, const T* target, const math::Rows<T>& rows, double* parts, T* loss,
                    T* norm) {
  row_loss(stream, CrossEntropyRow<T>{logits, target}, rows, parts, loss, norm);
}

template <class T>
void centerness_bce_backward(Stream& stream, const T* logits, const T* target, const math::Rows<T>& rows, const T* norm,
                             const T* dy, T* dx) {
  row_loss_backward(stream, CrossEntropyRow<T>{logits, target}, rows, norm, dy, dx);
}

#define AZ_INSTANTIATE(T)                                                                                          \
  template void polar_centerness<T>(Stream&, const T*, const int32_t*, int64_t, int64_t, T*);                      \
  template void polar_iou_loss<T>(Stream&, math::PolarIouKind, const T*, const T*, const math::Rows<T>&, int64_t,  \
                                  double*, T*, T*);                                                                \
  template void polar_iou_loss_backward<T>(Stream&, math::PolarIouKind, const T*, const T*, const math::Rows<T>&,  \
                                           int64_t, const T*, const T*, T*);                                       \
  template void box_iou_loss<T>(Stream&, const T*, int64_t, const T*, const T*, const math::Rows<T>&, double*, T*, \
                                T*);                                                                               \
  template void box_iou_loss_backward<T>(Stream&, const T*, int64_t, const T*, const T*, const math::Rows<T>&,     \
                                         const T*, const T*, T*);                                                  \
  template void centerness_bce<T>(Stream&, const T*, const T*, const math::Rows<T>&, double*, T*, T*);             \
  template void centerness_bce_backward<T>(Stream&, const T*, const T*, const math::Rows<T>&, const T*, const T*, T*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
