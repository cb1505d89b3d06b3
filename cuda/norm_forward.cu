// Normalisation forward (Wu & He, "Group Normalization", ECCV 2018; Ioffe & Szegedy, ICML 2015), with the residual sum
// and the ReLU that follow: y = max(weight * (x - mean) * rstd + bias + residual, 0).
//
// Shapes    x, residual, y [images, rows, channels]; weight, bias [channels]; mean, rstd [images, groups]
// Kernels   moment_sums     sum and sum of squares of a channel over a run of rows -> parts        reads x
//           fold_moments    parts -> mean, rstd, running statistics, scale and shift of each channel
//           fold_running    the same from running statistics
//           affine_channels y = max(scale * x + shift + residual, low)                              reads x, writes y
// Mapping   cuda/norm.cuh for the first and the last; fold_moments: a block a group, whose parts lie side by side.
// Limit     memory: e * (reads of x twice, residual once) + e for y, with 3 double operations and 2 to 4 of f32 an
//           element. Doubles cost half of f32 on the GPUs this is for, which the loads hide, and keep a variance right
//           when the mean is far above the spread, in one pass.
// Same bits every time: parts depend on the shape and on T only and are added in a fixed order, no atomics. The CPU
// adds in another order: mean and variance agree to some 1e-15.
//
// Ladder (not measured: no GPU yet)
//   v1  a block a group walks its rows: 512 blocks, strided reads of 32 bytes, nothing to do for most of the GPU when
//       there are few images
//   v2  whole rows split over 1024 blocks, 16 bytes a thread, four rows on their way; parts to memory (this)
#include "cuda/norm.cuh"

#include <limits>

namespace az::cuda {
namespace {

constexpr int kFoldThreads = 128;

template <class T, int N>
__global__ void __launch_bounds__(kNormThreads, 3)
    moment_sums_kernel(const T* __restrict__ x, double* __restrict__ parts, Tiling t) {
  const Span span(t, N);
  double sum[N] = {}, square[N] = {};
  if (span.active)
    for_each_row<4>(
        t, span, [&](int64_t at) { return load_pack<N>(x + at); },
        [&](int64_t, const Pack<T, N>& values) {
          for (int k = 0; k < N; ++k) {
            const auto v = static_cast<double>(static_cast<Wide<T>>(values.v[k]));
            sum[k] += v;
            square[k] += v * v;
          }
        });
  write_sums<N>(t, span, sum, square, parts);
}

template <class P>
__device__ void fold_channel(const math::NormParameters<P>& parameters, int64_t channel, double mean, double rstd,
                             P* scale, P* shift) {
  const math::ChannelAffine affine(static_cast<double>(parameters.weight[channel]),
                                   static_cast<double>(parameters.bias[channel]), mean, rstd);
  *scale = static_cast<P>(affine.scale);
  *shift = static_cast<P>(affine.shift);
}

/// A block a group. parts [2, images, channels, row_blocks]
template <class P>
__global__ void __launch_bounds__(kFoldThreads)
    fold_moments_kernel(const double* __restrict__ parts, math::NormShape shape, int32_t row_blocks,
                        math::NormParameters<P> parameters, math::RunningStatistics<P> running, math::NormMap<P> map) {
  const auto thread = static_cast<int32_t>(threadIdx.x), threads = static_cast<int32_t>(blockDim.x);
  const int64_t group = blockIdx.x, width = shape.group_channels(), count = width * row_blocks;
  const double* sums = parts + group * count;
  const double* squares = sums + shape.images * shape.channels * row_blocks;
  double sum = 0, square = 0;
  for (int64_t i = thread; i < count; i += threads) {
    sum += sums[i];
    square += squares[i];
  }
  sum = threads == kWarp ? warp_sum(sum) : block_sum(sum);
  square = threads == kWarp ? warp_sum(square) : block_sum(square);
  const math::Moments moments(sum, square, shape.group_size());
  const double rstd = math::inverse_deviation(moments.variance, parameters.eps);
  if (thread == 0) {
    map.mean[group] = moments.mean;
    map.rstd[group] = rstd;
    if (running.mean != nullptr) {
      const double correction = math::unbiased(shape.group_size());
      const auto mean = static_cast<double>(running.mean[group]), var = static_cast<double>(running.var[group]);
      running.mean[group] = static_cast<P>(math::running(mean, moments.mean, running.momentum, 1));
      running.var[group] = static_cast<P>(math::running(var, moments.variance, running.momentum, correction));
    }
  }
  const int64_t first = group % shape.groups * width;
  for (int64_t i = thread; i < width; i += threads)
    fold_channel(parameters, first + i, moments.mean, rstd, map.scale + group * width + i,
                 map.shift + group * width + i);
}

/// A thread a channel.
template <class P>
__global__ void __launch_bounds__(kFoldThreads)
    fold_running_kernel(math::NormParameters<P> parameters, const P* __restrict__ running_mean,
                        const P* __restrict__ running_var, int64_t channels, math::NormMap<P> map) {
  const int64_t i = thread_index();
  if (i >= channels) return;
  const auto mean = static_cast<double>(running_mean[i]);
  const double rstd = math::inverse_deviation(static_cast<double>(running_var[i]), parameters.eps);
  fold_channel(parameters, i, mean, rstd, map.scale + i, map.shift + i);
  if (map.mean != nullptr) map.mean[i] = mean;
  if (map.rstd != nullptr) map.rstd[i] = rstd;
}

template <class T, int N>
__global__ void __launch_bounds__(kNormThreads)
    affine_channels_kernel(const T* __restrict__ x, const Wide<T>* __restrict__ scales,
                           const Wide<T>* __restrict__ shifts, const T* __restrict__ residual, Wide<T> low,
                           T* __restrict__ y, Tiling t) {
  using W = Wide<T>;
  const Span span(t, N);
  if (!span.active) return;
  W scale[N], shift[N];
  load_channels<N>(scales, span.table(t), scale);
  load_channels<N>(shifts, span.table(t), shift);
  if (residual != nullptr) {
    struct Loaded {
      Pack<T, N> x, residual;
    };
    for_each_row<2>(
        t, span,
        [&](int64_t at) {
          return Loaded{load_pack<N>(x + at), load_pack<N>(residual + at)};
        },
        [&](int64_t at, const Loaded& in) {
          Pack<T, N> out;
          for (int k = 0; k < N; ++k)
            out.v[k] = static_cast<T>(math::at_least(
                scale[k] * static_cast<W>(in.x.v[k]) + shift[k] + static_cast<W>(in.residual.v[k]), low));
          store_pack(y + at, out);
        });
  } else {
    for_each_row<4>(
        t, span, [&](int64_t at) { return load_pack<N>(x + at); },
        [&](int64_t at, const Pack<T, N>& in) {
          Pack<T, N> out;
          for (int k = 0; k < N; ++k)
            out.v[k] = static_cast<T>(math::at_least(scale[k] * static_cast<W>(in.v[k]) + shift[k], low));
          store_pack(y + at, out);
        });
  }
}

template <class T, int N>
Tiling start_moment_sums(Stream& stream, const T* x, const math::NormShape& shape, double* parts) {
  const Tiling t(shape, N, rows_per_sum(shape));
  const int shared_bytes = 2 * N * static_cast<int>(sizeof(double) * t.block().x);
  launch(stream, "moment_sums_kernel", t.grid(), t.block(), shared_bytes, moment_sums_kernel<T, N>, x, parts, t);
  return t;
}

template <class T, int N>
void start_affine(Stream& stream, const T* x, const Wide<T>* scale, const Wide<T>* shift, const T* residual, bool relu,
                  T* y, const math::NormShape& shape) {
  const Tiling t = map_tiling(shape, N);
  const Wide<T> low = relu ? Wide<T>(0) : -std::numeric_limits<Wide<T>>::infinity();
  launch(stream, "affine_channels_kernel", t.grid(), t.block(), 0, affine_channels_kernel<T, N>, x, scale, shift,
         residual, low, y, t);
}

}  // namespace

int64_t norm_workspace(const math::NormShape& shape) {
  const int64_t rows = rows_per_sum(shape);
  // A part for every block of rows, and the whole of gradient_sums.
  return 2 * shape.images * shape.channels * ((shape.rows + rows - 1) / rows + 1);
}

template <class T>
void measure(Stream& stream, const T* x, const math::NormShape& shape, const math::NormParameters<Wide<T>>& parameters,
             const math::RunningStatistics<Wide<T>>& running, const math::NormMap<Wide<T>>& map, double* workspace) {
  if (shape.images == 0) return;
  const Tiling t = packs<T>(shape.channels, x) ? start_moment_sums<T, kPack<T>>(stream, x, shape, workspace)
                                               : start_moment_sums<T, 1>(stream, x, shape, workspace);
  const bool few = shape.group_channels() * t.row_blocks <= 4 * kFoldThreads;  // one warp is as quick
  launch(stream, "fold_moments_kernel", static_cast<unsigned>(shape.images * shape.groups), few ? kWarp : kFoldThreads,
         0, fold_moments_kernel<Wide<T>>, workspace, shape, t.row_blocks, parameters, running, map);
}

template <class P>
void fold_running(Stream& stream, const math::NormParameters<P>& parameters, const P* running_mean,
                  const P* running_var, int64_t channels, const math::NormMap<P>& map) {
  launch(stream, "fold_running_kernel", blocks_for(channels, kFoldThreads), kFoldThreads, 0, fold_running_kernel<P>,
         parameters, running_mean, running_var, channels, map);
}

template <class T>
void affine_channels(Stream& stream, const T* x, const Wide<T>* scale, const Wide<T>* shift, const T* residual,
                     bool relu, T* y, const math::NormShape& shape) {
  if (shape.images * shape.rows == 0) return;
  if (packs<T>(shape.channels, x, residual, y)) {
    start_affine<T, kPack<T>>(stream, x, scale, shift, residual, relu, y, shape);
  } else {
    start_affine<T, 1>(stream, x, scale, shift, residual, relu, y, shape);
  }
}

#define AZ_INSTANTIATE(T)                                                                                    \
  template void measure<T>(Stream&, const T*, const math::NormShape&, const math::NormParameters<Wide<T>>&,  \
                           const math::RunningStatistics<Wide<T>>&, const math::NormMap<Wide<T>>&, double*); \
  template void affine_channels<T>(Stream&, const T*, const Wide<T>*, const Wide<T>*, const T*, bool, T*,    \
                                   const math::NormShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

template void fold_running<float>(Stream&, const math::NormParameters<float>&, const float*, const float*, int64_t,
                                  const math::NormMap<float>&);
template void fold_running<double>(Stream&, const math::NormParameters<double>&, const double*, const double*, int64_t,
                                   const math::NormMap<double>&);

}  // namespace az::cuda
