#include "cpu/few_outputs.h"

#include <algorithm>
#include <vector>

#include "cpu/few_outputs_kernels.h"
#include "cpu/parallel.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

/// The channels of the input pixels under each tap of kFewPixels outputs from row oy and column ox on.
void gather_pixels(const ConvShape& d, const float* image, int64_t oy, int64_t ox, const float* zeros,
                   const float** pixels) {
  const int64_t taps = d.r * d.s;
  for (int64_t i = 0; i < d.r; ++i) {
    const int64_t iy = oy * d.stride - d.padding + i * d.dilation;
    const bool row_inside = iy >= 0 && iy < d.h;
    for (int64_t j = 0; j < d.s; ++j)
      for (int64_t p = 0; p < kFewPixels; ++p) {
        const int64_t ix = (ox + p) * d.stride - d.padding + j * d.dilation;
        pixels[p * taps + i * d.s + j] = row_inside && ix >= 0 && ix < d.w ? image + (iy * d.w + ix) * d.c : zeros;
      }
  }
}

}  // namespace

bool few_outputs_pays(const ConvShape& d) {
  constexpr int64_t kFewestInputs = 64;
  return d.groups == 1 && d.k <= kMostFewOutputs && d.c >= kFewestInputs;
}

void few_outputs_forward(WinogradSimd simd, const ConvShape& d, const float* x, const float* w, const float* scale,
                         const ConvEpilogue& epilogue, float* y) {
  AZ_CHECK(d.groups == 1 && d.k <= kMostFewOutputs, "conv2d: {} outputs in {} groups, want at most {} and no groups",
           d.k, d.groups, kMostFewOutputs);
  AZ_CHECK(simd != WinogradSimd::none, "conv2d: products over input channels need AVX2 with FMA");
  if (d.y_count() == 0) return;
  const FewOutputsKernels& kernels = simd == WinogradSimd::avx512 ? few_outputs_avx512() : few_outputs_avx2();
  const auto* bias = static_cast<const float*>(epilogue.bias);
  const auto* residual = static_cast<const float*>(epilogue.residual);
  const std::vector<float> zeros(static_cast<size_t>(d.c));
  const int64_t taps = d.r * d.s;
  parallel_for(d.n * d.oh(), 1, [&](int64_t begin, int64_t end) {
    std::vector<const float*> pixels(static_cast<size_t>(kFewPixels * taps));
    FewOutputsTile tile{.x = pixels.data(), .taps = taps, .c = d.c, .w = nullptr, .y = {}};
    const auto store = [&](int64_t at, int64_t k, float v) {
      if (scale) v *= scale[k];
      if (bias) v += bias[k];
      if (residual) v += residual[at];
      y[at] = epilogue.relu && v < 0 ? 0 : v;
    };
    for (int64_t line = begin; line < end; ++line)
      for (int64_t first = 0; first < d.k; first += kFewTogether) {  // two outputs' weights stay in the first cache
        const int64_t outputs = std::min<int64_t>(kFewTogether, d.k - first);
        const float* image = x + line / d.oh() * d.h * d.w * d.c;
        tile.w = w + first * taps * d.c;
        for (int64_t ox = 0; ox < d.ow(); ox += kFewPixels) {
          gather_pixels(d, image, line % d.oh(), ox, zeros.data(), pixels.data());
          kernels.dot[outputs - 1](tile);
          for (int64_t p = 0; p < std::min<int64_t>(kFewPixels, d.ow() - ox); ++p)
            for (int64_t k = 0; k < outputs; ++k)
              store((line * d.ow() + ox + p) * d.k + first + k, first + k, tile.y[p][k]);
        }
      }
  });
}

}  // namespace az::cpu
