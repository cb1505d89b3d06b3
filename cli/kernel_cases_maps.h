// Cases of `bench kernels` on feature maps: elementwise, reduce, norm, pool, resize, xcorr and what surrounds the
// library's convolution. Bytes are those of the algorithm: each operand once.
#pragma once

#include "cli/kernel_timer.h"
#include "cuda/conv.h"
#include "cuda/elementwise.h"
#include "cuda/norm.h"
#include "cuda/pool.h"
#include "cuda/reduce.h"
#include "cuda/resize.h"
#include "cuda/window.h"
#include "cuda/xcorr.h"
#include "math/elementwise.h"

namespace az::cli {

template <class T>
KernelCost moved(int64_t elements, double flops = 0) {
  return {static_cast<double>(elements) * static_cast<double>(sizeof(T)), flops};
}

template <class Cuda>
void time_elementwise_maps(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  const Shape c2{n, z.h(4), z.w(4), z.channels};
  for_activations([&](auto type) {
    using T = decltype(type);
    const int64_t count = c2.numel();
    const T *x = b.template random<T>(count), *dy = b.template random<T>(count);
    T* y = b.template random<T>(count);
    b.template time<T>("elementwise", "add", c2, moved<T>(3 * count), [&] { cuda::add(b.stream(), x, dy, y, count); });
    b.template time<T>("elementwise", "add, cut by relu", c2, moved<T>(4 * count),
                       [&] { cuda::add_cut(b.stream(), x, dy, x, y, count); });
    b.template time<T>("elementwise", "relu", c2, moved<T>(2 * count),
                       [&] { cuda::map_forward<math::Relu>(b.stream(), x, y, count); });
    b.template time<T>("elementwise", "relu backward", c2, moved<T>(3 * count),
                       [&] { cuda::map_backward<math::Relu>(b.stream(), x, dy, y, count); });
    b.template time<T>("elementwise", "scale", c2, moved<T>(2 * count),
                       [&] { cuda::scale(b.stream(), x, Wide<T>(0.5), y, count); });
    b.clear();
  });
  const Shape image{n, z.height, z.width, 3};
  const float* x = b.template random<float>(image.numel());
  const auto time_cast = [&]<class T>(const char* what, T* y) {
    b.template time<float>("elementwise", what, image, {6.0 * static_cast<double>(image.numel())},
                           [&] { cuda::cast(b.stream(), x, y, image.numel()); });
  };
  time_cast("cast to bf16", b.template empty<bf16>(image.numel()));
  time_cast("cast to f16", b.template empty<f16>(image.numel()));
  b.clear();
}

template <class Cuda>
void time_elementwise_heads(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  using T = float;
  const Shape rays{n, z.locations(), z.rays}, logits{n, z.locations(), z.classes};
  const int64_t count = rays.numel(), rows = n * z.locations();
  const T *x = b.template random<T>(count), *dy = b.template random<T>(count), *s = b.template random<T>(1);
  const T* factor = b.template random<T>(rows);
  T *y = b.template random<T>(count), *dx = b.template empty<T>(count), *ds = b.template empty<T>(1);
  double* parts = b.template empty<double>(cuda::kSumParts);
  const auto time = [&](const char* what, const Shape& shape, KernelCost cost, const std::function<void()>& work) {
    b.template time<T>("elementwise", what, shape, cost, work);
  };
  time("exp scaled", rays, moved<T>(2 * count), [&] { cuda::exp_scaled(b.stream(), x, s, T(80), y, count); });
  time("exp scaled backward", rays, moved<T>(4 * count),
       [&] { cuda::exp_scaled_backward(b.stream(), x, y, dy, s, T(80), dx, ds, parts, count); });
  time("scale by", rays, moved<T>(2 * count), [&] { cuda::scale_by(b.stream(), x, s, dx, count); });
  time("scale rows", rays, moved<T>(2 * count + rows),
       [&] { cuda::scale_rows(b.stream(), x, factor, dx, rows, z.rays); });
  time("broadcast", rays, moved<T>(count), [&] { cuda::broadcast(b.stream(), s, dx, count); });
  const T value = 1;
  time("fill", rays, moved<T>(count), [&] { cuda::fill(b.stream(), dx, &value, sizeof value, count); });
  int64_t* counter = b.template zeros<int64_t>(1);
  time("count up", {1}, {16}, [&] { cuda::count_up(b.stream(), counter); });
  b.clear();

  cuda::LevelTable levels;
  for (const int64_t stride : KernelSizes::kStrides) {
    levels.elements[levels.levels] = z.pixels(stride) * z.classes;
    levels.at[levels.levels] = b.template random<T>(n * levels.elements[levels.levels]);
    ++levels.levels;
  }
  void* joined = b.template random<T>(logits.numel());
  time("concat levels", logits, moved<T>(2 * logits.numel()),
       [&] { cuda::concat_levels(b.stream(), levels, joined, n, sizeof(T)); });
  time("split levels", logits, moved<T>(2 * logits.numel()),
       [&] { cuda::split_levels(b.stream(), levels, joined, n, sizeof(T)); });
  b.clear();
}

template <class Cuda>
void time_reduce(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  const Shape p3{n, z.h(8), z.w(8), z.channels};
  const int64_t count = p3.numel(), rows = n * z.pixels(8);
  double* parts =
      b.template empty<double>(std::max({int64_t{cuda::kSumParts}, cuda::sum_rows_parts<float>(rows, z.channels),
                                         cuda::sum_rows_parts<bf16>(rows, z.channels)}));
  float* y = b.template empty<float>(z.channels);
  const float *x = b.template random<float>(count), *other = b.template random<float>(count);
  b.template time<float>("reduce", "sum", p3, moved<float>(count), [&] { cuda::sum(b.stream(), x, y, parts, count); });
  b.template time<float>("reduce", "dot", p3, moved<float>(2 * count, 2.0 * static_cast<double>(count)),
                         [&] { cuda::dot(b.stream(), x, other, y, parts, count); });
  for_activations([&](auto type) {
    using T = decltype(type);
    const T* t = b.template random<T>(count);
    b.template time<T>("reduce", "sum rows", p3, moved<T>(count),
                       [&] { cuda::sum_rows(b.stream(), t, y, parts, rows, z.channels); });
  });
  b.clear();
}

/// A frozen batch norm of C3 and the towers' group norm of P3.
template <class Cuda>
void time_norm(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  for_activations([&](auto type) {
    using T = decltype(type);
    using P = Wide<T>;
    const auto time = [&](const char* family, const char* what, const Shape& shape, int64_t elements,
                          const std::function<void()>& work) {
      b.template time<T>(family, what, shape, moved<T>(elements), work);
    };
    const Shape c3{n, z.h(8), z.w(8), 2 * z.channels}, p3{n, z.h(8), z.w(8), z.channels};
    const int64_t count = c3.numel(), group_count = p3.numel();
    const math::NormShape frozen{1, n * z.pixels(8), c3[3], c3[3]};
    const math::NormShape group{n, z.pixels(8), z.channels, std::min<int64_t>(32, z.channels)};
    const T *x = b.template random<T>(count), *dy = b.template random<T>(count);
    T *y = b.template random<T>(count), *dx = b.template empty<T>(count);
    const int64_t folded = std::max(c3[3], n * z.channels), groups = std::max(c3[3], n * group.groups);
    P *scale = b.template random<P>(folded), *shift = b.template random<P>(folded);
    P *slope = b.template random<P>(folded), *offset = b.template random<P>(folded);
    P *weight = b.template random<P>(c3[3]), *bias = b.template random<P>(c3[3]);
    P *dweight = b.template empty<P>(c3[3]), *dbias = b.template empty<P>(c3[3]);
    double *mean = b.template zeros<double>(groups), *rstd = b.template zeros<double>(groups);
    double* workspace = b.template empty<double>(std::max(cuda::norm_workspace(frozen), cuda::norm_workspace(group)));

    time("norm_forward", "affine, relu", c3, 2 * count,
         [&] { cuda::affine_channels<T>(b.stream(), x, scale, shift, nullptr, /*relu=*/true, y, frozen); });
    time("norm_forward", "affine, residual, relu", c3, 3 * count,
         [&] { cuda::affine_channels<T>(b.stream(), x, scale, shift, dy, /*relu=*/true, y, frozen); });
    if (sizeof(T) == sizeof(float))
      time("norm_forward", "fold running", {c3[3]}, 6 * c3[3], [&] {
        cuda::fold_running<P>(b.stream(), {weight, bias, 1e-5}, weight, bias, c3[3], {nullptr, nullptr, scale, shift});
      });
    time("norm_forward", "measure groups", p3, group_count, [&] {
      cuda::measure<T>(b.stream(), x, group, {weight, bias, 1e-5}, {}, {mean, rstd, scale, shift}, workspace);
    });
    const math::NormGradientInput<T> from_y{math::Gate::from_y, dy, x, y, scale, shift};
    const math::NormGradientInput<T> from_x{math::Gate::from_x, dy, x, nullptr, scale, shift};
    time("norm_backward", "rows, frozen, relu", c3, 3 * count,
         [&] { cuda::gradient_rows<T>(b.stream(), from_y, nullptr, nullptr, dx, nullptr, frozen); });
    time("norm_backward", "sums of groups", p3, 2 * group_count, [&] {
      cuda::gradient_sums<T>(b.stream(), from_x, group, {weight, mean, rstd, slope, offset, dweight, dbias}, workspace);
    });
    time("norm_backward", "rows of groups", p3, 3 * group_count,
         [&] { cuda::gradient_rows<T>(b.stream(), from_x, slope, offset, dx, nullptr, group); });
    b.clear();
  });
}

/// The stem's pool and the pyramid's resize.
template <class Cuda>
void time_pool_and_resize(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  for_activations([&](auto type) {
    using T = decltype(type);
    const math::PoolShape pool{n, z.h(2), z.w(2), z.channels / 4, z.h(4), z.w(4), {3, 2, 1}};
    const Shape wide{n, pool.h_in, pool.w_in, pool.channels};
    const int64_t in = wide.numel(), out = n * z.pixels(4) * pool.channels;
    const KernelCost cost{static_cast<double>(sizeof(T)) * static_cast<double>(in + out) + static_cast<double>(out)};
    T *x = b.template random<T>(in), *y = b.template random<T>(out);
    uint8_t* tap = b.template zeros<uint8_t>(out);
    b.template time<T>("pool", "max 3x3 / 2", wide, cost, [&] { cuda::max_pool(b.stream(), x, y, tap, pool); });
    b.template time<T>("pool", "max 3x3 / 2 backward", wide, cost,
                       [&] { cuda::max_pool_backward(b.stream(), y, tap, x, pool); });
    b.clear();

    const math::ResizeShape resize{n, z.h(16), z.w(16), z.channels, z.h(8), z.w(8)};
    const Shape large{n, z.h(8), z.w(8), z.channels};
    const int64_t few = n * z.pixels(16) * z.channels, many = large.numel();
    T *small = b.template random<T>(few), *big = b.template random<T>(many);
    for (const math::Resize how : {math::Resize::nearest, math::Resize::bilinear}) {
      const std::string name = how == math::Resize::nearest ? "nearest x2" : "bilinear x2";
      b.template time<T>("resize", name, large, moved<T>(few + many),
                         [&] { cuda::resize(b.stream(), how, small, big, resize); });
      b.template time<T>("resize", name + " backward", large, moved<T>(few + many),
                         [&] { cuda::resize_backward(b.stream(), how, big, small, resize); });
    }
    b.clear();
  });
}

/// The tracker's sizes; small: the same kernels on less.
template <class Cuda>
void time_xcorr(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  const int64_t size = z.channels < 256 ? 9 : 29;
  for_activations([&](auto type) {
    using T = decltype(type);
    for (const int64_t k : {5, 7}) {
      const math::XcorrShape shape{n, size + k - 5, size + k - 5, z.channels, k, k, /*shared=*/false};
      const Shape search{n, shape.h, shape.w, z.channels};
      const int64_t elements = n * (shape.search_count() + shape.kernel_count() + shape.y_count());
      const KernelCost cost = moved<T>(elements, 2.0 * static_cast<double>(n * shape.y_count() * shape.taps()));
      T *x = b.template random<T>(n * shape.search_count()), *w = b.template random<T>(n * shape.kernel_count());
      T* y = b.template random<T>(n * shape.y_count());
      auto* parts = b.template empty<Wide<T>>(cuda::xcorr_parts(shape));
      const std::string name = fmt::format("{}x{}", k, k);
      b.template time<T>("xcorr", name, search, cost, [&] { cuda::xcorr(b.stream(), x, w, y, shape); });
      b.template time<T>("xcorr", name + " backward search", search, cost,
                         [&] { cuda::xcorr_backward_search(b.stream(), y, w, x, shape); });
      b.template time<T>("xcorr", name + " backward kernel", search, cost,
                         [&] { cuda::xcorr_backward_kernel(b.stream(), x, y, parts, w, shape); });
    }
    b.clear();
  });
}

/// A window of SiamMask's first map an image, as Refine takes them.
template <class Cuda>
void time_window(KernelTimer<Cuda>& b, int64_t n) {
  const int64_t side = b.sizes.channels < 256 ? 17 : 69, window = side - 8, c = b.sizes.channels / 4;
  for_activations([&](auto type) {
    using T = decltype(type);
    const math::WindowShape shape{n, side, side, c, n, window, window};
    const math::WindowPlaces places{.listed = nullptr, .offset = 4};
    const int64_t map = n * side * side * c, cut = n * window * window * c;
    T *x = b.template random<T>(map), *y = b.template random<T>(cut);
    b.template time<T>("window", "cut", {n, side, side, c}, moved<T>(2 * cut),
                       [&] { cuda::windows(b.stream(), x, places, y, shape); });
    b.template time<T>("window", "cut backward", {n, side, side, c}, moved<T>(map + cut),
                       [&] { cuda::windows_backward(b.stream(), y, places, x, shape); });
    b.clear();
  });
}

/// What surrounds the library's convolution; once, the plain twin, which is for tests and f64.
template <class Cuda>
void time_conv(KernelTimer<Cuda>& b, int64_t n) {
  const KernelSizes& z = b.sizes;
  for_activations([&](auto type) {
    using T = decltype(type);
    using P = Wide<T>;
    const Shape p3{n, z.h(8), z.w(8), z.channels}, filter{2 * z.channels, 3, 3, 2 * z.channels};
    const int64_t count = p3.numel(), weights = filter.numel();
    T *y = b.template random<T>(count), *residual = b.template random<T>(count);
    const P *w = b.template random<P>(weights), *bias = b.template random<P>(z.channels);
    T* packed = b.template empty<T>(weights);
    b.template time<T>("conv", "bias, residual, relu", p3, moved<T>(3 * count), [&] {
      cuda::bias_act<T>(b.stream(), {bias, residual, true}, y, n * z.pixels(8), z.channels);
    });
    if (n == 1)
      b.template time<T>(
          "conv", "pack weights", filter, {static_cast<double>(weights) * static_cast<double>(sizeof(P) + sizeof(T))},
          [&] { cuda::pack_weights<T>(b.stream(), w, nullptr, packed, filter[0], weights / filter[0]); });
    b.clear();
    if (n > 1) return;
    const math::ConvShape c{.h = z.h(32), .w = z.w(32), .c = z.channels / 2, .k = 36, .r = 3, .s = 3, .padding = 1};
    const Shape input{1, c.h, c.w, c.c};
    T *x = b.template random<T>(c.x_count()), *out = b.template random<T>(c.y_count());
    T* kernel = b.template random<T>(c.w_count());
    P* dw = b.template empty<P>(c.w_count());
    const KernelCost cost = moved<T>(c.x_count() + c.w_count() + c.y_count(), c.flops());
    b.template time<T>("conv_plain", "forward", input, cost,
                       [&] { cuda::conv_forward_plain<T>(b.stream(), c, x, kernel, {}, out); });
    b.template time<T>("conv_plain", "backward data", input, cost,
                       [&] { cuda::conv_backward_data_plain<T>(b.stream(), c, out, kernel, x); });
    b.template time<T>("conv_plain", "backward weights", input, cost,
                       [&] { cuda::conv_backward_weights_plain<T>(b.stream(), c, x, out, dw); });
    b.clear();
  });
}

}  // namespace az::cli
