// The convolution's plain twin: seven nested loops, double sums.
#include <vector>

#include "cpu/conv.h"
#include "cpu/parallel.h"

namespace az::cpu {
namespace {

/// Calls f(x position in [h, w], weight position in [r, s]) for every tap of output (oy, ox) inside the picture.
template <class F>
void for_each_tap(const ConvShape& d, int64_t oy, int64_t ox, const F& f) {
  for (int64_t i = 0; i < d.r; ++i)
    for (int64_t j = 0; j < d.s; ++j) {
      const int64_t y = oy * d.stride - d.padding + i * d.dilation;
      const int64_t x = ox * d.stride - d.padding + j * d.dilation;
      if (y >= 0 && y < d.h && x >= 0 && x < d.w) f(y * d.w + x, i * d.s + j);
    }
}

}  // namespace

template <class T>
void conv_forward_plain(const ConvShape& d, const T* x, const T* w, const T* scale, const ConvEpilogue& epilogue,
                        T* y) {
  const int64_t in = d.c / d.groups;
  const int64_t out = d.k / d.groups;
  const auto* bias = static_cast<const T*>(epilogue.bias);
  const auto* residual = static_cast<const T*>(epilogue.residual);
  parallel_for(d.n * d.oh(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t ox = 0; ox < d.ow(); ++ox)
        for (int64_t k = 0; k < d.k; ++k) {
          const T* image = x + row / d.oh() * d.h * d.w * d.c + k / out * in;
          double total = 0;
          for_each_tap(d, row % d.oh(), ox, [&](int64_t pixel, int64_t tap) {
            for (int64_t c = 0; c < in; ++c)
              total += double(image[pixel * d.c + c]) * double(w[(k * d.r * d.s + tap) * in + c]);
          });
          const int64_t at = (row * d.ow() + ox) * d.k + k;
          if (scale) total *= double(scale[k]);
          if (bias) total += double(bias[k]);
          if (residual) total += double(residual[at]);
          y[at] = static_cast<T>(epilogue.relu && total < 0 ? 0 : total);
        }
  });
}

template <class T>
void conv_backward_data_plain(const ConvShape& d, const T* dy, const T* w, const T* scale, T* dx) {
  const int64_t in = d.c / d.groups;
  const int64_t out = d.k / d.groups;
  std::vector<double> total(static_cast<size_t>(d.x_count()), 0.0);
  for (int64_t row = 0; row < d.n * d.oh(); ++row)
    for (int64_t ox = 0; ox < d.ow(); ++ox)
      for_each_tap(d, row % d.oh(), ox, [&](int64_t pixel, int64_t tap) {
        for (int64_t k = 0; k < d.k; ++k) {
          const double g = double(dy[(row * d.ow() + ox) * d.k + k]) * (scale ? double(scale[k]) : 1.0);
          const int64_t at = (row / d.oh() * d.h * d.w + pixel) * d.c + k / out * in;
          for (int64_t c = 0; c < in; ++c)
            total[static_cast<size_t>(at + c)] += g * double(w[(k * d.r * d.s + tap) * in + c]);
        }
      });
  for (size_t i = 0; i < total.size(); ++i) dx[i] = static_cast<T>(total[i]);
}

template <class T>
void conv_backward_weights_plain(const ConvShape& d, const T* x, const T* dy, T* dw) {
  const int64_t in = d.c / d.groups;
  const int64_t out = d.k / d.groups;
  std::vector<double> total(static_cast<size_t>(d.w_count()), 0.0);
  for (int64_t row = 0; row < d.n * d.oh(); ++row)
    for (int64_t ox = 0; ox < d.ow(); ++ox)
      for_each_tap(d, row % d.oh(), ox, [&](int64_t pixel, int64_t tap) {
        for (int64_t k = 0; k < d.k; ++k) {
          const double g = double(dy[(row * d.ow() + ox) * d.k + k]);
          const T* from = x + (row / d.oh() * d.h * d.w + pixel) * d.c + k / out * in;
          for (int64_t c = 0; c < in; ++c)
            total[static_cast<size_t>((k * d.r * d.s + tap) * in + c)] += g * double(from[c]);
        }
      });
  for (size_t i = 0; i < total.size(); ++i) dw[i] = static_cast<T>(total[i]);
}

#define AZ_INSTANTIATE(T)                                                                                    \
  template void conv_forward_plain(const ConvShape&, const T*, const T*, const T*, const ConvEpilogue&, T*); \
  template void conv_backward_data_plain(const ConvShape&, const T*, const T*, const T*, T*);                \
  template void conv_backward_weights_plain(const ConvShape&, const T*, const T*, T*);
AZ_INSTANTIATE(float)
AZ_INSTANTIATE(double)
#undef AZ_INSTANTIATE

}  // namespace az::cpu
