// Normalisation backward, with the ReLU's gate and the residual's gradient. With g = weight * dy, dy being 0 where the
// ReLU cut y off, xn = (x - mean) * rstd and means over the group:
//   dx = rstd * (g - mean(g) - xn * mean(g * xn)) = scale * dy + slope * x + offset        (math/norm.h, GroupGradient)
//   dweight = sum of dy * xn, dbias = sum of dy, dresidual = dy
//
// Shapes    x, y, dy, dx, dresidual [images, rows, channels]; slope, offset [images, channels]
// Kernels   gradient_parts   sums of dy and of dy * x of a channel over a run of rows -> parts      reads x, dy (, y)
//           gradient_lines   parts -> slope and offset of a group, dweight and dbias of its channels
//           gradient_rows    dx, dresidual                                                          reads x, dy (, y)
// Mapping   cuda/norm.cuh for the first and the last; gradient_lines: a block a group, a warp an image.
// Gate      from x: scale * x + shift is computed again with forward's rounding; from the saved y where a residual was
//           added. A frozen norm needs neither x nor sums.
// Limit     memory: e * 5 an element for a norm (x and dy twice, dx once), e * 2 for a frozen one, 1 e more a pass for
// y,
//           1 for dresidual; 3 double operations and some 6 of f32 an element.
// Same bits every time: as in cuda/norm_forward.cu.
//
// Ladder (not measured: no GPU yet)
//   v1  two block-wide sums for each channel, strided; dx an element a thread
//   v2  whole rows split over 1024 blocks, 16 bytes a thread, two rows of each map on their way (this)
#include <type_traits>

#include "cuda/norm.cuh"

namespace az::cuda {
namespace {

using math::Gate;

/// What a thread reads of one row.
template <class T, int N>
struct GradientRow {
  Pack<T, N> dy, x, y;
};

/// Reads rows; x only where it is wanted.
template <Gate gate, bool wants_x, int N, class T>
__device__ inline GradientRow<T, N> load_gradient(const math::NormGradientInput<T>& in, int64_t at) {
  GradientRow<T, N> row;
  row.dy = load_pack<N>(in.dy + at);
  if constexpr (wants_x || gate == Gate::from_x) row.x = load_pack<N>(in.x + at);
  if constexpr (gate == Gate::from_y) row.y = load_pack<N>(in.y + at);
  return row;
}

/// dy of channel k, or 0 where the ReLU cut it off.
template <Gate gate, class T, int N>
__device__ inline Wide<T> gated(const GradientRow<T, N>& row, int k, const Wide<T> (&scale)[N],
                                const Wide<T> (&shift)[N]) {
  using W = Wide<T>;
  const W dy = static_cast<W>(row.dy.v[k]);
  if constexpr (gate == Gate::none) {
    return dy;
  } else if constexpr (gate == Gate::from_x) {
    return scale[k] * static_cast<W>(row.x.v[k]) + shift[k] > W(0) ? dy : W(0);
  } else {
    return static_cast<W>(row.y.v[k]) > W(0) ? dy : W(0);
  }
}

template <class T, int N, Gate gate>
__global__ void __launch_bounds__(kNormThreads, 2)
    gradient_parts_kernel(math::NormGradientInput<T> in, double* __restrict__ parts, Tiling t) {
  const Span span(t, N);
  Wide<T> scale[N], shift[N];
  double sum_dy[N] = {}, sum_dy_x[N] = {};
  if (span.active) {
    if constexpr (gate == Gate::from_x) {
      load_channels<N>(in.scale, span.table(t), scale);
      load_channels<N>(in.shift, span.table(t), shift);
    }
    for_each_row<2>(
        t, span, [&](int64_t at) { return load_gradient<gate, true, N>(in, at); },
        [&](int64_t, const GradientRow<T, N>& row) {
          for (int k = 0; k < N; ++k) {
            const auto g = static_cast<double>(gated<gate>(row, k, scale, shift));
            sum_dy[k] += g;
            sum_dy_x[k] += g * static_cast<double>(static_cast<Wide<T>>(row.x.v[k]));
          }
        });
  }
  write_sums<N>(t, span, sum_dy, sum_dy_x, parts);
}

/// A block a group, a warp an image of it; then a thread a channel. parts [2, images, channels, row_blocks];
/// totals [2, images, channels]
template <class P>
__global__ void gradient_lines_kernel(const double* __restrict__ parts, double* totals, math::NormShape shape,
                                      int32_t row_blocks, math::NormGradientSums<P> out) {
  const auto thread = static_cast<int32_t>(threadIdx.x);
  const int32_t lane = thread % kWarp, warps = static_cast<int32_t>(blockDim.x) / kWarp;
  const int64_t group = blockIdx.x, width = shape.group_channels(), table = shape.images * shape.channels;
  for (int64_t image = thread / kWarp; image < shape.images; image += warps) {
    const int64_t statistics = image * shape.groups + group;
    double sum_g = 0, sum_gx = 0;
    for (int64_t i = 0; i < width; ++i) {
      const int64_t at = image * shape.channels + group * width + i;
      double dy = 0, dy_x = 0;
      for (int32_t b = lane; b < row_blocks; b += kWarp) {
        dy += parts[at * row_blocks + b];
        dy_x += parts[(table + at) * row_blocks + b];
      }
      dy = warp_sum(dy);
      dy_x = warp_sum(dy_x);
      if (lane == 0) {
        totals[at] = dy;
        totals[table + at] = dy_x;
      }
      const auto weight = static_cast<double>(out.weight[group * width + i]);
      sum_g += weight * dy;
      sum_gx += weight * dy_x;
    }
    if (out.slope == nullptr) continue;
    const math::GroupGradient line(sum_g, sum_gx, out.mean[statistics], out.rstd[statistics], shape.group_size());
    for (int64_t i = lane; i < width; i += kWarp) {
      out.slope[statistics * width + i] = static_cast<P>(line.slope);
      out.offset[statistics * width + i] = static_cast<P>(line.offset);
    }
  }
  if (out.dweight == nullptr) return;
  __syncthreads();  // totals are there
  for (int64_t i = group * width + thread; i < (group + 1) * width; i += static_cast<int32_t>(blockDim.x)) {
    double dweight = 0, dbias = 0;
    for (int64_t image = 0; image < shape.images; ++image) {
      const int64_t at = image * shape.channels + i, statistics = image * shape.groups + group;
      dweight += math::weight_gradient(totals[at], totals[table + at], out.mean[statistics], out.rstd[statistics]);
      dbias += totals[at];
    }
    out.dweight[i] = static_cast<P>(dweight);
    out.dbias[i] = static_cast<P>(dbias);
  }
}

/// `fixed`: slope and offset are zero.
template <class T, int N, Gate gate, bool fixed>
__global__ void __launch_bounds__(kNormThreads, 3)
    gradient_rows_kernel(math::NormGradientInput<T> in, const Wide<T>* __restrict__ slopes,
                         const Wide<T>* __restrict__ offsets, T* __restrict__ dx, T* __restrict__ dresidual, Tiling t) {
  using W = Wide<T>;
  const Span span(t, N);
  if (!span.active) return;
  W scale[N], shift[N], slope[N], offset[N];
  load_channels<N>(in.scale, span.table(t), scale);
  if constexpr (gate == Gate::from_x) load_channels<N>(in.shift, span.table(t), shift);
  if constexpr (!fixed) {
    load_channels<N>(slopes, span.table(t), slope);
    load_channels<N>(offsets, span.table(t), offset);
  }
  for_each_row<2>(
      t, span, [&](int64_t at) { return load_gradient<gate, !fixed, N>(in, at); },
      [&](int64_t at, const GradientRow<T, N>& row) {
        Pack<T, N> to_x, to_residual;
        for (int k = 0; k < N; ++k) {
          const W g = gated<gate>(row, k, scale, shift);
          if constexpr (fixed) {
            to_x.v[k] = static_cast<T>(scale[k] * g);
          } else {
            to_x.v[k] = static_cast<T>(scale[k] * g + (slope[k] * static_cast<W>(row.x.v[k]) + offset[k]));
          }
          to_residual.v[k] = static_cast<T>(g);
        }
        store_pack(dx + at, to_x);
        if (dresidual != nullptr) store_pack(dresidual + at, to_residual);
      });
}

/// Calls f(std::integral_constant<Gate, gate>).
template <class F>
void with_gate(Gate gate, const F& f) {
  switch (gate) {
    case Gate::none: return f(std::integral_constant<Gate, Gate::none>{});
    case Gate::from_x: return f(std::integral_constant<Gate, Gate::from_x>{});
    case Gate::from_y: return f(std::integral_constant<Gate, Gate::from_y>{});
  }
}

template <class T, int N>
Tiling start_parts(Stream& stream, const math::NormGradientInput<T>& in, const math::NormShape& shape, double* parts) {
  const Tiling t(shape, N, rows_per_sum(shape));
  const int shared_bytes = 2 * N * static_cast<int>(sizeof(double) * t.block().x);
  with_gate(in.gate, [&](auto gate) {
    launch(stream, "gradient_parts_kernel", t.grid(), t.block(), shared_bytes,
           gradient_parts_kernel<T, N, decltype(gate)::value>, in, parts, t);
  });
  return t;
}

template <class T, int N>
void start_rows(Stream& stream, const math::NormGradientInput<T>& in, const Wide<T>* slope, const Wide<T>* offset,
                T* dx, T* dresidual, const math::NormShape& shape) {
  const Tiling t = map_tiling(shape, N);
  with_gate(in.gate, [&](auto gate) {
    constexpr Gate kGate = decltype(gate)::value;
    const auto kernel = slope ? gradient_rows_kernel<T, N, kGate, false> : gradient_rows_kernel<T, N, kGate, true>;
    launch(stream, "gradient_rows_kernel", t.grid(), t.block(), 0, kernel, in, slope, offset, dx, dresidual, t);
  });
}

}  // namespace

template <class T>
void gradient_sums(Stream& stream, const math::NormGradientInput<T>& in, const math::NormShape& shape,
                   const math::NormGradientSums<Wide<T>>& out, double* workspace) {
  const Tiling t = packs<T>(shape.channels, in.dy, in.x, in.y) ? start_parts<T, kPack<T>>(stream, in, shape, workspace)
                                                               : start_parts<T, 1>(stream, in, shape, workspace);
  const int64_t warps = shape.images < 1 ? 1 : shape.images < 16 ? shape.images : 16;
  double* totals = workspace + 2 * shape.images * shape.channels * t.row_blocks;
  launch(stream, "gradient_lines_kernel", static_cast<unsigned>(shape.groups), static_cast<unsigned>(warps * kWarp), 0,
         gradient_lines_kernel<Wide<T>>, workspace, totals, shape, t.row_blocks, out);
}

template <class T>
void gradient_rows(Stream& stream, const math::NormGradientInput<T>& in, const Wide<T>* slope, const Wide<T>* offset,
                   T* dx, T* dresidual, const math::NormShape& shape) {
  if (shape.images * shape.rows == 0) return;
  if (packs<T>(shape.channels, in.dy, in.x, in.y, dx, dresidual)) {
    start_rows<T, kPack<T>>(stream, in, slope, offset, dx, dresidual, shape);
  } else {
    start_rows<T, 1>(stream, in, slope, offset, dx, dresidual, shape);
  }
}

#define AZ_INSTANTIATE(T)                                                                                            \
  template void gradient_sums<T>(Stream&, const math::NormGradientInput<T>&, const math::NormShape&,                 \
                                 const math::NormGradientSums<Wide<T>>&, double*);                                   \
  template void gradient_rows<T>(Stream&, const math::NormGradientInput<T>&, const Wide<T>*, const Wide<T>*, T*, T*, \
                                 const math::NormShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(bf16)
AZ_INSTANTIATE(f16)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cuda
