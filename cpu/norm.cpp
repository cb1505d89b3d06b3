#include "cpu/norm.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "cpu/parallel.h"
#include "math/elementwise.h"
#include "tensor/simd.h"

// The bodies are templates; each is compiled for every instruction set inside a plain function marked AZ_SIMD.
#define AZ_BODY inline __attribute__((always_inline))

namespace az::cpu {
namespace {

constexpr int64_t kRowBlock = 256;  // rows summed by one loop
constexpr int64_t kGrain = 32768;   // elements worth a thread

/// Calls f(image, block, first row of the block, rows) for every block of rows, in parallel.
template <class F>
void for_each_block(const NormShape& shape, const F& f) {
  const int64_t blocks = (shape.rows + kRowBlock - 1) / kRowBlock;
  parallel_for(shape.images * blocks, kGrain / (kRowBlock * shape.channels) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % blocks * kRowBlock;
      f(i / blocks, i, row, std::min(kRowBlock, shape.rows - row));
    }
  });
}

/// Two sums a channel: f(image, row, rows, first, second) adds a block's; the blocks are then added in order.
template <class F>
void sum_blocks(const NormShape& shape, std::vector<double>& first, std::vector<double>& second, const F& f) {
  const int64_t c = shape.channels;
  const int64_t blocks = (shape.rows + kRowBlock - 1) / kRowBlock;
  std::vector<double> parts(static_cast<size_t>(shape.images * blocks * 2 * c));
  for_each_block(shape, [&](int64_t image, int64_t block, int64_t row, int64_t rows) {
    double* part = parts.data() + block * 2 * c;
    f(image, row, rows, part, part + c);
  });
  first.assign(static_cast<size_t>(shape.images * c), 0.0);
  second.assign(static_cast<size_t>(shape.images * c), 0.0);
  for (int64_t b = 0; b < shape.images * blocks; ++b) {
    const double* part = parts.data() + b * 2 * c;
    double* a = first.data() + b / blocks * c;
    double* d = second.data() + b / blocks * c;
    for (int64_t i = 0; i < c; ++i) {
      a[i] += part[i];
      d[i] += part[c + i];
    }
  }
}

template <class T>
AZ_BODY double wide(T v) {
  return math::cast<double>(v);
}

/// Four rows a turn, so that the sums are loaded and stored a quarter as often.
template <class T>
AZ_BODY void moments_body(const T* x, double* __restrict sum, double* __restrict square, int64_t rows, int64_t c) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * c)
    for (int64_t i = 0; i < c; ++i) {
      const double v0 = wide(x[i]), v1 = wide(x[c + i]), v2 = wide(x[2 * c + i]), v3 = wide(x[3 * c + i]);
      sum[i] += (v0 + v1) + (v2 + v3);
      square[i] += (v0 * v0 + v1 * v1) + (v2 * v2 + v3 * v3);
    }
  for (; r < rows; ++r, x += c)
    for (int64_t i = 0; i < c; ++i) {
      const double v = wide(x[i]);
      sum[i] += v;
      square[i] += v * v;
    }
}

/// y may be x or the residual, which the compiler cannot know: `ivdep` says that no other overlap is.
template <class T>
AZ_BODY void affine_body(const T* x, const Wide<T>* scale, const Wide<T>* shift, const T* residual, Wide<T> low, T* y,
                         int64_t rows, int64_t c) {
  using W = Wide<T>;
  for (int64_t r = 0; r < rows; ++r, x += c, y += c) {
    if (residual) {
#pragma GCC ivdep
      for (int64_t i = 0; i < c; ++i) y[i] = T(math::at_least(scale[i] * W(x[i]) + shift[i] + W(residual[i]), low));
      residual += c;
    } else {
#pragma GCC ivdep
      for (int64_t i = 0; i < c; ++i) y[i] = T(math::at_least(scale[i] * W(x[i]) + shift[i], low));
    }
  }
}

/// One row's pointers, moved from row to row; those that the gate does not need stay null.
template <class T>
struct Row {
  const T *dy, *x, *y;
  const Wide<T>*scale, *shift;
  AZ_BODY Row next(int64_t c) const { return {dy + c, x ? x + c : x, y ? y + c : y, scale, shift}; }
};

/// dy of channel i, or 0 where the ReLU cut it off. Loads come before the choice: only then does the loop vectorise.
template <Gate gate, class T>
AZ_BODY Wide<T> gated(const Row<T>& row, int64_t i) {
  using W = Wide<T>;
  const W dy = W(row.dy[i]);
  if constexpr (gate == Gate::none) {
    return dy;
  } else if constexpr (gate == Gate::from_x) {
    return row.scale[i] * W(row.x[i]) + row.shift[i] > W(0) ? dy : W(0);
  } else {
    return W(row.y[i]) > W(0) ? dy : W(0);
  }
}

template <Gate gate, class T>
AZ_BODY void sums_body(Row<T> row, double* __restrict sum_dy, double* __restrict sum_dy_x, int64_t rows, int64_t c) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const Row<T> r0 = row, r1 = r0.next(c), r2 = r1.next(c), r3 = r2.next(c);
    for (int64_t i = 0; i < c; ++i) {
      const double g0 = double(gated<gate>(r0, i)), g1 = double(gated<gate>(r1, i));
      const double g2 = double(gated<gate>(r2, i)), g3 = double(gated<gate>(r3, i));
      sum_dy[i] += (g0 + g1) + (g2 + g3);
      sum_dy_x[i] += (g0 * wide(r0.x[i]) + g1 * wide(r1.x[i])) + (g2 * wide(r2.x[i]) + g3 * wide(r3.x[i]));
    }
    row = r3.next(c);
  }
  for (; r < rows; ++r, row = row.next(c))
    for (int64_t i = 0; i < c; ++i) {
      const double g = double(gated<gate>(row, i));
      sum_dy[i] += g;
      sum_dy_x[i] += g * wide(row.x[i]);
    }
}

template <Gate gate, class T>
AZ_BODY void gradient_body(Row<T> row, const Wide<T>* factor, const Wide<T>* slope, const Wide<T>* offset, T* dx,
                           T* __restrict dresidual, int64_t rows, int64_t c) {
  // dx may be dy: the loops carry nothing from one element to the next.
  for (int64_t r = 0; r < rows; ++r, row = row.next(c), dx += c) {
    if (slope) {
#pragma GCC ivdep
      for (int64_t i = 0; i < c; ++i)
        dx[i] = T(factor[i] * gated<gate>(row, i) + (slope[i] * Wide<T>(row.x[i]) + offset[i]));
    } else {
#pragma GCC ivdep
      for (int64_t i = 0; i < c; ++i) dx[i] = T(factor[i] * gated<gate>(row, i));
    }
    if (dresidual) {
      for (int64_t i = 0; i < c; ++i) dresidual[i] = T(gated<gate>(row, i));
      dresidual += c;
    }
  }
}

#define AZ_LOOPS(T)                                                                                                 \
  AZ_SIMD void moments_loop(const T* x, double* sum, double* square, int64_t rows, int64_t c) {                     \
    moments_body(x, sum, square, rows, c);                                                                          \
  }                                                                                                                 \
  AZ_SIMD void affine_loop(const T* x, const Wide<T>* scale, const Wide<T>* shift, const T* residual, Wide<T> low,  \
                           T* y, int64_t rows, int64_t c) {                                                         \
    affine_body(x, scale, shift, residual, low, y, rows, c);                                                        \
  }                                                                                                                 \
  AZ_SIMD void sums_loop(Gate gate, const Row<T>& row, double* sum_dy, double* sum_dy_x, int64_t rows, int64_t c) { \
    switch (gate) {                                                                                                 \
      case Gate::none: return sums_body<Gate::none>(row, sum_dy, sum_dy_x, rows, c);                                \
      case Gate::from_x: return sums_body<Gate::from_x>(row, sum_dy, sum_dy_x, rows, c);                            \
      case Gate::from_y: return sums_body<Gate::from_y>(row, sum_dy, sum_dy_x, rows, c);                            \
    }                                                                                                               \
  }                                                                                                                 \
  AZ_SIMD void gradient_loop(Gate gate, const Row<T>& row, const Wide<T>* factor, const Wide<T>* slope,             \
                             const Wide<T>* offset, T* dx, T* dresidual, int64_t rows, int64_t c) {                 \
    switch (gate) {                                                                                                 \
      case Gate::none: return gradient_body<Gate::none>(row, factor, slope, offset, dx, dresidual, rows, c);        \
      case Gate::from_x: return gradient_body<Gate::from_x>(row, factor, slope, offset, dx, dresidual, rows, c);    \
      case Gate::from_y: return gradient_body<Gate::from_y>(row, factor, slope, offset, dx, dresidual, rows, c);    \
    }                                                                                                               \
  }
AZ_LOOPS(float)
AZ_LOOPS(double)
AZ_LOOPS(bf16)
#undef AZ_LOOPS

/// The pointers of one row of one image.
template <class T>
Row<T> row_at(const NormGradientInput<T>& in, const NormShape& shape, int64_t image, int64_t row) {
  const int64_t at = (image * shape.rows + row) * shape.channels;
  const int64_t channel = image * shape.channels;
  const bool from_x = in.gate == Gate::from_x;
  return {in.dy + at, in.x ? in.x + at : nullptr, in.gate == Gate::from_y ? in.y + at : nullptr,
          from_x ? in.scale + channel : nullptr, from_x ? in.shift + channel : nullptr};
}

/// Two sums of every channel.   [images, channels]
struct ChannelSums {
  std::vector<double> first, second;
};

template <class T>
void fold_channel(const math::NormParameters<T>& parameters, int64_t channel, double mean, double rstd, T* scale,
                  T* shift) {
  const math::ChannelAffine affine(double(parameters.weight[channel]), double(parameters.bias[channel]), mean, rstd);
  *scale = static_cast<T>(affine.scale);
  *shift = static_cast<T>(affine.shift);
}

/// dbias = sum of dy.
template <class T>
void affine_gradients(const ChannelSums& sums, const NormShape& shape, const math::NormGradientSums<T>& out) {
  const int64_t c = shape.channels;
  std::vector<double> dweight(static_cast<size_t>(c)), dbias(static_cast<size_t>(c));
  for (int64_t i = 0; i < shape.images * c; ++i) {
    const auto at = static_cast<size_t>(i), channel = static_cast<size_t>(i % c);
    const int64_t group = i / shape.group_channels();
    dweight[channel] += math::weight_gradient(sums.first[at], sums.second[at], out.mean[group], out.rstd[group]);
    dbias[channel] += sums.first[at];
  }
  std::transform(dweight.begin(), dweight.end(), out.dweight, [](double v) { return static_cast<T>(v); });
  std::transform(dbias.begin(), dbias.end(), out.dbias, [](double v) { return static_cast<T>(v); });
}

template <class T>
void slopes_and_offsets(const ChannelSums& sums, const NormShape& shape, const math::NormGradientSums<T>& out) {
  const int64_t width = shape.group_channels();
  for (int64_t group = 0; group < shape.images * shape.groups; ++group) {
    const int64_t first = group * width;
    double sum_g = 0, sum_gx = 0;
    for (int64_t i = first; i < first + width; ++i) {
      const auto factor = double(out.weight[i % shape.channels]);
      sum_g += factor * sums.first[static_cast<size_t>(i)];
      sum_gx += factor * sums.second[static_cast<size_t>(i)];
    }
    const math::GroupGradient line(sum_g, sum_gx, out.mean[group], out.rstd[group], shape.group_size());
    std::fill_n(out.slope + first, width, static_cast<T>(line.slope));
    std::fill_n(out.offset + first, width, static_cast<T>(line.offset));
  }
}

}  // namespace

template <class T>
void measure(const T* x, const NormShape& shape, const math::NormParameters<Wide<T>>& parameters,
             const math::RunningStatistics<Wide<T>>& running, const math::NormMap<Wide<T>>& map) {
  ChannelSums sums;
  sum_blocks(shape, sums.first, sums.second,
             [&](int64_t image, int64_t row, int64_t rows, double* sum, double* square) {
               moments_loop(x + (image * shape.rows + row) * shape.channels, sum, square, rows, shape.channels);
             });
  const int64_t width = shape.group_channels();
  for (int64_t g = 0; g < shape.images * shape.groups; ++g) {
    double sum = 0, square = 0;
    for (int64_t i = g * width; i < (g + 1) * width; ++i) {
      sum += sums.first[static_cast<size_t>(i)];
      square += sums.second[static_cast<size_t>(i)];
    }
    const math::Moments moments(sum, square, shape.group_size());
    map.mean[g] = moments.mean;
    map.rstd[g] = math::inverse_deviation(moments.variance, parameters.eps);
    if (!running.mean) continue;
    const double correction = math::unbiased(shape.group_size());
    running.mean[g] = static_cast<Wide<T>>(math::running(double(running.mean[g]), moments.mean, running.momentum, 1));
    running.var[g] =
        static_cast<Wide<T>>(math::running(double(running.var[g]), moments.variance, running.momentum, correction));
  }
  for (int64_t i = 0; i < shape.images * shape.channels; ++i)
    fold_channel(parameters, i % shape.channels, map.mean[i / width], map.rstd[i / width], map.scale + i,
                 map.shift + i);
}

template <class T>
void fold_running(const math::NormParameters<T>& parameters, const T* running_mean, const T* running_var,
                  int64_t channels, const math::NormMap<T>& map) {
  for (int64_t i = 0; i < channels; ++i) {
    const auto mean = double(running_mean[i]);
    const double rstd = math::inverse_deviation(double(running_var[i]), parameters.eps);
    fold_channel(parameters, i, mean, rstd, map.scale + i, map.shift + i);
    if (map.mean) map.mean[i] = mean;
    if (map.rstd) map.rstd[i] = rstd;
  }
}

template <class T>
void affine_channels(const T* x, const Wide<T>* scale, const Wide<T>* shift, const T* residual, bool relu, T* y,
                     const NormShape& shape) {
  const auto low = relu ? Wide<T>(0) : -std::numeric_limits<Wide<T>>::infinity();
  for_each_block(shape, [&](int64_t image, int64_t, int64_t row, int64_t rows) {
    const int64_t at = (image * shape.rows + row) * shape.channels;
    affine_loop(x + at, scale + image * shape.channels, shift + image * shape.channels,
                residual ? residual + at : nullptr, low, y + at, rows, shape.channels);
  });
}

template <class T>
void gradient_sums(const NormGradientInput<T>& in, const NormShape& shape, const math::NormGradientSums<Wide<T>>& out) {
  ChannelSums sums;
  sum_blocks(shape, sums.first, sums.second, [&](int64_t image, int64_t row, int64_t rows, double* dy, double* dy_x) {
    sums_loop(in.gate, row_at(in, shape, image, row), dy, dy_x, rows, shape.channels);
  });
  if (out.dweight) affine_gradients(sums, shape, out);
  if (out.slope) slopes_and_offsets(sums, shape, out);
}

template <class T>
void gradient_rows(const NormGradientInput<T>& in, const Wide<T>* slope, const Wide<T>* offset, T* dx, T* dresidual,
                   const NormShape& shape) {
  for_each_block(shape, [&](int64_t image, int64_t, int64_t row, int64_t rows) {
    const int64_t at = (image * shape.rows + row) * shape.channels;
    const int64_t channel = image * shape.channels;
    gradient_loop(in.gate, row_at(in, shape, image, row), in.scale + channel, slope ? slope + channel : nullptr,
                  offset ? offset + channel : nullptr, dx + at, dresidual ? dresidual + at : nullptr, rows,
                  shape.channels);
  });
}

#define AZ_INSTANTIATE(T)                                                                                           \
  template void measure<T>(const T*, const NormShape&, const math::NormParameters<Wide<T>>&,                        \
                           const math::RunningStatistics<Wide<T>>&, const math::NormMap<Wide<T>>&);                 \
  template void affine_channels<T>(const T*, const Wide<T>*, const Wide<T>*, const T*, bool, T*, const NormShape&); \
  template void gradient_sums<T>(const NormGradientInput<T>&, const NormShape&,                                     \
                                 const math::NormGradientSums<Wide<T>>&);                                           \
  template void gradient_rows<T>(const NormGradientInput<T>&, const Wide<T>*, const Wide<T>*, T*, T*, const NormShape&);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
AZ_INSTANTIATE(bf16)
#undef AZ_INSTANTIATE
template void fold_running(const math::NormParameters<float>&, const float*, const float*, int64_t,
                           const math::NormMap<float>&);
template void fold_running(const math::NormParameters<double>&, const double*, const double*, int64_t,
                           const math::NormMap<double>&);

}  // namespace az::cpu
