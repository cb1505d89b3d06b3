// The losses of a Siamese tracker: classes and boxes of every anchor of every cell, masks of the chosen cells.
//
//   classes  half the mean of -log p(foreground) over label 1 plus half that of -log p(background) over label 0
//   boxes    sum of weight * |x - target| / images
//   masks    mean of ln(1 + exp(-target x)) over the rows of weight 1
//   source   foolwood/SiamMask models/siammask.py: select_cross_entropy_loss, weight_l1_loss, select_mask_logistic_loss
//
// Shapes    maps [images, cells, q * anchors + a]: 64 x 625 x 10 and x 20 in training; masks [16 * 64, 127 * 127]
// Mapping   classes and boxes: a thread an anchor of a cell, a grid apart; neighbours read neighbouring channels.
//           Masks: a thread an element, a grid apart
// Sums      in double: a thread, its block, then one block over the blocks in order: the same bits every time
// Limits    classes read 12 bytes an anchor, boxes 36, masks 8 an element (4 more written backward): memory at the
//           masks' size, launch latency at the others'
//
// Ladder (not measured: no GPU yet)
//   v1  a thread an image
//   v2  a thread an anchor or element, two-stage sums (this)
#include "cuda/siam_loss.h"

#include "cuda/kernel.cuh"

namespace az::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 132 * 4;
constexpr int kClassSums = 4;  // loss and number of label 1, then of label 0

unsigned loss_blocks(int64_t count) { return blocks_for(count, kThreads * 4, kMostBlocks); }

/// Calls f(i) for this thread's share of [0, count).
template <class F>
__device__ void for_each(int64_t count, const F& f) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) f(i);
}

/// parts [gridDim.x, 4]
template <class T>
__global__ void __launch_bounds__(kThreads) anchor_class_kernel(math::AnchorShape shape, const T* __restrict__ logits,
                                                                const int32_t* __restrict__ labels, double* parts) {
  double sums[kClassSums] = {};
  for_each(shape.count(), [&](int64_t i) {
    const int32_t label = labels[i];
    if (label == -1) return;
    if (label != 0 && label != 1) {
      sums[0] += std::numeric_limits<double>::quiet_NaN();
      sums[1] += 1;
      return;
    }
    const int set = label == 1 ? 0 : 2;
    sums[set] += static_cast<double>(math::pair_loss(logits[shape.at(i, 0, 2)], logits[shape.at(i, 1, 2)], label));
    sums[set + 1] += 1;
  });
  for (int k = 0; k < kClassSums; ++k) {
    const double total = block_sum(sums[k]);
    if (threadIdx.x == 0) parts[int64_t{blockIdx.x} * kClassSums + k] = total;
  }
}

/// One block adds the sums of `blocks` blocks.
template <class T>
__global__ void __launch_bounds__(kThreads)
    anchor_class_finish_kernel(const double* parts, int blocks, T* loss, T* counts) {
  double sums[kClassSums] = {};
  for (int b = static_cast<int>(threadIdx.x); b < blocks; b += kThreads)
    for (int k = 0; k < kClassSums; ++k) sums[k] += parts[b * kClassSums + k];
  for (int k = 0; k < kClassSums; ++k) sums[k] = block_sum(sums[k]);
  if (threadIdx.x != 0) return;
  const double positive = sums[1] > 0 ? sums[0] / sums[1] : 0, negative = sums[3] > 0 ? sums[2] / sums[3] : 0;
  loss[0] = static_cast<T>(0.5 * positive + 0.5 * negative);
  counts[0] = static_cast<T>(sums[1]);
  counts[1] = static_cast<T>(sums[3]);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    anchor_class_backward_kernel(math::AnchorShape shape, const T* __restrict__ logits,
                                 const int32_t* __restrict__ labels, const T* __restrict__ counts,
                                 const T* __restrict__ dy, T* __restrict__ dx) {
  for_each(shape.count(), [&](int64_t i) {
    const int64_t b = shape.at(i, 0, 2), f = shape.at(i, 1, 2);
    const int32_t label = labels[i];
    T slope = T(0);
    if (label >= 0) slope = dy[0] * T(0.5) / counts[label == 1 ? 0 : 1] * math::pair_slope(logits[b], logits[f], label);
    dx[f] = slope;
    dx[b] = -slope;
  });
}

/// parts [gridDim.x]
template <class T>
__global__ void __launch_bounds__(kThreads)
    anchor_box_kernel(math::AnchorShape shape, const T* __restrict__ x, const T* __restrict__ target,
                      const T* __restrict__ weight, double* parts) {
  double sum = 0;
  for_each(shape.count(), [&](int64_t i) {
    T distance = T(0);
    for (int q = 0; q < 4; ++q) {
      const T difference = x[shape.at(i, q, 4)] - target[shape.at(i, q, 4)];
      distance += difference < T(0) ? -difference : difference;
    }
    sum += static_cast<double>(weight[i] * distance);
  });
  sum = block_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

/// loss[0] = the parts' sum over `divisor`, or over the sum of `weight` [rows] times it.
template <class T>
__global__ void __launch_bounds__(kThreads) siam_loss_finish_kernel(const double* parts, int blocks, double divisor,
                                                                    const T* weight, int64_t rows, T* loss, T* count) {
  double sum = 0, chosen = 0;
  for (int b = static_cast<int>(threadIdx.x); b < blocks; b += kThreads) sum += parts[b];
  for (int64_t r = threadIdx.x; r < rows; r += kThreads) chosen += static_cast<double>(weight[r]);
  sum = block_sum(sum);
  chosen = block_sum(chosen);
  if (threadIdx.x != 0) return;
  if (weight != nullptr) {
    count[0] = static_cast<T>(chosen);
    divisor *= chosen;
  }
  loss[0] = divisor > 0 ? static_cast<T>(sum / divisor) : T(0);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    anchor_box_backward_kernel(math::AnchorShape shape, const T* __restrict__ x, const T* __restrict__ target,
                               const T* __restrict__ weight, const T* __restrict__ dy, T* __restrict__ dx) {
  const T factor = dy[0] / static_cast<T>(shape.images);
  for_each(shape.count(), [&](int64_t i) {
    for (int q = 0; q < 4; ++q) {
      const int64_t at = shape.at(i, q, 4);
      const T difference = x[at] - target[at];
      dx[at] = factor * weight[i] * (difference > T(0) ? T(1) : difference < T(0) ? T(-1) : T(0));
    }
  });
}

/// parts [gridDim.x]
template <class T>
__global__ void __launch_bounds__(kThreads)
    soft_margin_kernel(int64_t rows, int64_t columns, const T* __restrict__ x, const T* __restrict__ target,
                       const T* __restrict__ weight, double* parts) {
  double sum = 0;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    if (weight[row] == T(0)) continue;
    for (int64_t i = row * columns + threadIdx.x; i < (row + 1) * columns; i += kThreads)
      sum += static_cast<double>(math::softplus(-target[i] * x[i]));
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    soft_margin_backward_kernel(int64_t rows, int64_t columns, const T* __restrict__ x, const T* __restrict__ target,
                                const T* __restrict__ weight, const T* __restrict__ count, const T* __restrict__ dy,
                                T* __restrict__ dx) {
  const T factor = count[0] > T(0) ? dy[0] / (count[0] * static_cast<T>(columns)) : T(0);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const bool chosen = weight[row] != T(0);
    for (int64_t i = row * columns + threadIdx.x; i < (row + 1) * columns; i += kThreads)
      dx[i] = chosen ? factor * -target[i] * math::logistic(-target[i] * x[i]) : T(0);
  }
}

unsigned row_blocks(int64_t rows) { return blocks_for(rows, 1, kMostBlocks); }

}  // namespace

int64_t siam_loss_parts(int64_t count) { return kClassSums * int64_t{blocks_for(count, 1, kMostBlocks)}; }

template <class T>
void anchor_class_loss(Stream& stream, const math::AnchorShape& shape, const T* logits, const int32_t* labels,
                       double* parts, T* loss, T* counts) {
  const unsigned blocks = loss_blocks(shape.count());
  launch(stream, "anchor_class_kernel", blocks, kThreads, 0, anchor_class_kernel<T>, shape, logits, labels, parts);
  launch(stream, "anchor_class_finish_kernel", 1, kThreads, 0, anchor_class_finish_kernel<T>, parts,
         static_cast<int>(blocks), loss, counts);
}

template <class T>
void anchor_class_loss_backward(Stream& stream, const math::AnchorShape& shape, const T* logits, const int32_t* labels,
                                const T* counts, const T* dy, T* dx) {
  launch(stream, "anchor_class_backward_kernel", loss_blocks(shape.count()), kThreads, 0,
         anchor_class_backward_kernel<T>, shape, logits, labels, counts, dy, dx);
}

template <class T>
void anchor_box_loss(Stream& stream, const math::AnchorShape& shape, const T* x, const T* target, const T* weight,
                     double* parts, T* loss) {
  const unsigned blocks = loss_blocks(shape.count());
  launch(stream, "anchor_box_kernel", blocks, kThreads, 0, anchor_box_kernel<T>, shape, x, target, weight, parts);
  launch(stream, "siam_loss_finish_kernel", 1, kThreads, 0, siam_loss_finish_kernel<T>, parts, static_cast<int>(blocks),
         static_cast<double>(shape.images), nullptr, int64_t{0}, loss, nullptr);
}

template <class T>
void anchor_box_loss_backward(Stream& stream, const math::AnchorShape& shape, const T* x, const T* target,
                              const T* weight, const T* dy, T* dx) {
  launch(stream, "anchor_box_backward_kernel", loss_blocks(shape.count()), kThreads, 0, anchor_box_backward_kernel<T>,
         shape, x, target, weight, dy, dx);
}

template <class T>
void soft_margin_loss(Stream& stream, int64_t rows, int64_t columns, const T* x, const T* target, const T* weight,
                      double* parts, T* loss, T* count) {
  const unsigned blocks = row_blocks(rows);
  launch(stream, "soft_margin_kernel", blocks, kThreads, 0, soft_margin_kernel<T>, rows, columns, x, target, weight,
         parts);
  launch(stream, "siam_loss_finish_kernel", 1, kThreads, 0, siam_loss_finish_kernel<T>, parts, static_cast<int>(blocks),
         static_cast<double>(columns), weight, rows, loss, count);
}

template <class T>
void soft_margin_loss_backward(Stream& stream, int64_t rows, int64_t columns, const T* x, const T* target,
                               const T* weight, const T* count, const T* dy, T* dx) {
  launch(stream, "soft_margin_backward_kernel", row_blocks(rows), kThreads, 0, soft_margin_backward_kernel<T>, rows,
         columns, x, target, weight, count, dy, dx);
}

#define AZ_INSTANTIATE(T)                                                                                              \
  template void anchor_class_loss<T>(Stream&, const math::AnchorShape&, const T*, const int32_t*, double*, T*, T*);    \
  template void anchor_class_loss_backward<T>(Stream&, const math::AnchorShape&, const T*, const int32_t*, const T*,   \
                                              const T*, T*);                                                           \
  template void anchor_box_loss<T>(Stream&, const math::AnchorShape&, const T*, const T*, const T*, double*, T*);      \
  template void anchor_box_loss_backward<T>(Stream&, const math::AnchorShape&, const T*, const T*, const T*, const T*, \
                                            T*);                                                                       \
  template void soft_margin_loss<T>(Stream&, int64_t, int64_t, const T*, const T*, const T*, double*, T*, T*);         \
  template void soft_margin_loss_backward<T>(Stream&, int64_t, int64_t, const T*, const T*, const T*, const T*,        \
                                             const T*, T*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
