// Sigmoid focal loss over dense logits [rows, channels], PolarMask's 358,000 x 80 at batch 16.
//
//   loss = sum of a * p^gamma * softplus, p = sigmoid(+-z), over all logits of rows with a label >= 0 (math/focal.h)
//   source: Lin et al., Focal Loss for Dense Object Detection, eq. 5
//
// Mapping: the logits are one flat array. A thread takes packs of 16 bytes a grid apart; each lies in one row, whose
// label the row's threads share through the cache. Row and channel are carried along from pack to pack by the grid's
// width in rows and channels, so that nothing is divided in the loop. Rows that are not a multiple of 16 bytes, and
// pointers that are not aligned, go by single elements.
//
//   row 0 | pack pack pack ... | row 1 | pack pack ... |     thread t: packs t, t + threads, t + 2 threads, ...
//
// Sums: in double, a thread, then its block, then (focal_finish_kernel) the blocks in order. The number of blocks
// follows from the shape alone: the same bits on any GPU. Limits: forward reads 4 bytes an element, backward reads 4
// and writes 4; about 65 instructions an element, two of them divisions, whose order is the CPU's to the bit. At 80
// classes the arithmetic is the limit forward, bytes backward. Ladder (not measured: no GPU yet):
//   v1  a thread a logit, row = i / channels in 64 bits, block sums by atomics
//   v2  this: packs, carried rows, two-stage sums
#include "cuda/focal.h"

#include "cuda/kernel.cuh"

namespace az::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kElementsAThread = 16;
constexpr int64_t kMostBlocks = 132 * 8;

unsigned focal_blocks(int64_t rows, int64_t channels) {
  return blocks_for(rows * channels, kThreads * kElementsAThread, kMostBlocks);
}

template <class T, int kLanes>
struct alignas(sizeof(T) * kLanes) Lanes {
  T v[kLanes];
};

/// Row and first channel of a thread's packs.
struct Cursor {
  int64_t row, channel, row_step, channel_step, channels;

  __device__ Cursor(int64_t all_channels, int64_t lanes) : channels(all_channels) {
    const int64_t first = thread_index() * lanes, step = thread_count() * lanes;
    row = first / channels;
    channel = first - row * channels;
    row_step = step / channels;
    channel_step = step - row_step * channels;
  }
  __device__ void advance() {
    row += row_step;
    channel += channel_step;
    if (channel >= channels) {
      channel -= channels;
      ++row;
    }
  }
  __device__ int64_t element() const { return row * channels + channel; }
};

/// parts [2, gridDim.x]: the blocks' sums of losses, then their numbers of positive rows.
template <class T, bool kSquare, int kLanes>
__global__ void __launch_bounds__(kThreads)
    focal_loss_kernel(math::SigmoidFocal<T, kSquare> formula, const T* __restrict__ logits,
                      const int32_t* __restrict__ labels, int64_t rows, int64_t channels, double* parts) {
  double sum = 0, positives = 0;
  for (Cursor at(channels, kLanes); at.row < rows; at.advance()) {
    const int64_t label = labels[at.row];
    if (at.channel == 0) {
      positives += label > 0 ? 1 : 0;
      if (label < -1 || label > channels) sum += std::numeric_limits<double>::quiet_NaN();
    }
    if (label < 0) continue;
    const auto z = *reinterpret_cast<const Lanes<T, kLanes>*>(logits + at.element());
    T pack = 0;
#pragma unroll
    for (int k = 0; k < kLanes; ++k) pack += formula.loss(z.v[k], at.channel + k == label - 1 ? T(-1) : T(1));
    sum += static_cast<double>(pack);
  }
  sum = block_sum(sum);
  positives = block_sum(positives);
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = sum;
    parts[gridDim.x + blockIdx.x] = positives;
  }
}

/// One block adds the partial sums of `blocks` blocks.
template <class T>
__global__ void __launch_bounds__(kThreads)
    focal_finish_kernel(const double* parts, int blocks, double normaliser_extra, T* loss, T* norm) {
  double sum = 0, positives = 0;
  for (int b = static_cast<int>(threadIdx.x); b < blocks; b += kThreads) {
    sum += parts[b];
    positives += parts[blocks + b];
  }
  sum = block_sum(sum);
  positives = block_sum(positives);
  if (threadIdx.x != 0) return;
  const double normaliser = positives + normaliser_extra;
  const double divisor = normaliser > 0 ? normaliser : 1;
  norm[0] = static_cast<T>(divisor);
  loss[0] = static_cast<T>(sum / divisor);
}

template <class T, bool kSquare, int kLanes>
__global__ void __launch_bounds__(kThreads)
    focal_backward_kernel(math::SigmoidFocal<T, kSquare> formula, const T* __restrict__ logits,
                          const int32_t* __restrict__ labels, int64_t rows, int64_t channels,
                          const T* __restrict__ norm, const T* __restrict__ dy, T* __restrict__ dx) {
  const T factor = dy[0] / norm[0];
  for (Cursor at(channels, kLanes); at.row < rows; at.advance()) {
    const int64_t label = labels[at.row];
    Lanes<T, kLanes> slopes = {};
    if (label >= 0) {
      const auto z = *reinterpret_cast<const Lanes<T, kLanes>*>(logits + at.element());
#pragma unroll
      for (int k = 0; k < kLanes; ++k)
        slopes.v[k] = factor * formula.slope(z.v[k], at.channel + k == label - 1 ? T(-1) : T(1));
    }
    *reinterpret_cast<Lanes<T, kLanes>*>(dx + at.element()) = slopes;
  }
}

/// Calls f(formula, lanes): the squared formula where gamma is 2, packs of 16 bytes where rows and pointers allow them.
template <class T, class F>
void with_variant(const math::FocalOptions& options, int64_t channels, const T* logits, const T* dx, const F& f) {
  constexpr int kPack = 16 / static_cast<int>(sizeof(T));
  const bool whole = channels % kPack == 0 && reinterpret_cast<uintptr_t>(logits) % 16 == 0 &&
                     reinterpret_cast<uintptr_t>(dx) % 16 == 0;
  const auto with_lanes = [&](auto formula) {
    if (whole) {
      f(formula, std::integral_constant<int, kPack>());
    } else {
      f(formula, std::integral_constant<int, 1>());
    }
  };
  const T alpha = static_cast<T>(options.alpha), gamma = static_cast<T>(options.gamma);
  if (options.gamma == 2) {
    with_lanes(math::SigmoidFocal<T, true>{alpha, gamma});
  } else {
    with_lanes(math::SigmoidFocal<T, false>{alpha, gamma});
  }
}

}  // namespace

int64_t focal_parts(int64_t rows, int64_t channels) { return 2 * int64_t{focal_blocks(rows, channels)}; }

template <class T>
void sigmoid_focal_loss(Stream& stream, const T* logits, const int32_t* labels, int64_t rows, int64_t channels,
                        const math::FocalOptions& options, double* parts, T* loss, T* norm) {
  const unsigned blocks = focal_blocks(rows, channels);
  const auto start = [&]<bool kSquare, int kLanes>(math::SigmoidFocal<T, kSquare> formula,
                                                   std::integral_constant<int, kLanes>) {
    launch(stream, "focal_loss_kernel", blocks, kThreads, 0, focal_loss_kernel<T, kSquare, kLanes>, formula, logits,
           labels, rows, channels, parts);
  };
  with_variant<T>(options, channels, logits, nullptr, start);
  launch(stream, "focal_finish_kernel", 1, kThreads, 0, focal_finish_kernel<T>, parts, static_cast<int>(blocks),
         options.normaliser_extra, loss, norm);
}

template <class T>
void sigmoid_focal_loss_backward(Stream& stream, const T* logits, const int32_t* labels, int64_t rows, int64_t channels,
                                 const math::FocalOptions& options, const T* norm, const T* dy, T* dx) {
  const auto start = [&]<bool kSquare, int kLanes>(math::SigmoidFocal<T, kSquare> formula,
                                                   std::integral_constant<int, kLanes>) {
    launch(stream, "focal_backward_kernel", focal_blocks(rows, channels), kThreads, 0,
           focal_backward_kernel<T, kSquare, kLanes>, formula, logits, labels, rows, channels, norm, dy, dx);
  };
  with_variant<T>(options, channels, logits, dx, start);
}

#define AZ_INSTANTIATE(T)                                                                                             \
  template void sigmoid_focal_loss<T>(Stream&, const T*, const int32_t*, int64_t, int64_t, const math::FocalOptions&, \
                                      double*, T*, T*);                                                               \
  template void sigmoid_focal_loss_backward<T>(Stream&, const T*, const int32_t*, int64_t, int64_t,                   \
                                               const math::FocalOptions&, const T*, const T*, T*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
