#include "cpu/few_outputs.h"

#include <algorithm>
#include <vector>

#include "cpu/few_outputs_kernels.h"
#include "cpu/parallel.h"
#include "tensor/error.h"

namespace az::cpu {

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
  const auto dot = (simd == WinogradSimd::avx512 ? few_outputs_avx512() : few_outputs_avx2()).dot[d.k - 1];
  const auto* bias = static_cast<const float*>(epilogue.bias);
  const auto* residual = static_cast<const float*>(epilogue.residual);
  const std::vector<float> zeros(static_cast<size_t>(d.c));
  parallel_for(d.n * d.oh(), 1, [&](int64_t begin, int64_t end) {
    std::vector<const float*> pixels(static_cast<size_t>(kFewPixels * d.r * d.s));
    FewOutputsTile tile{.x = pixels.data(), .taps = d.r * d.s, .c = d.c, .w = w, .y = {}};
    for (int64_t line = begin; line < end; ++line)
      for (int64_t ox = 0; ox < d.ow(); ox += kFewPixels) {
        const float** to = pixels.data();
        for (int64_t p = 0; p < kFewPixels; ++p)
          for (int64_t tap = 0; tap < d.r * d.s; ++tap) {
            const int64_t iy = line % d.oh() * d.stride - d.padding + tap / d.s * d.dilation;
            const int64_t ix = (ox + p) * d.stride - d.padding + tap % d.s * d.dilation;
            const bool inside = iy >= 0 && iy < d.h && ix >= 0 && ix < d.w;
            *to++ = inside ? x + ((line / d.oh() * d.h + iy) * d.w + ix) * d.c : zeros.data();
          }
        dot(tile);
        for (int64_t p = 0; p < std::min<int64_t>(kFewPixels, d.ow() - ox); ++p)
          for (int64_t k = 0; k < d.k; ++k) {
            const int64_t at = (line * d.ow() + ox + p) * d.k + k;
            float v = tile.y[p][k];
            if (scale) v *= scale[k];
            if (bias) v += bias[k];
            if (residual) v += residual[at];
            y[at] = epilogue.relu && v < 0 ? 0 : v;
          }
      }
  });
}

}  // namespace az::cpu
