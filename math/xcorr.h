// Depthwise cross-correlation: every channel of the search feature is slid over by its own kernel, without padding and
// without a flip.
//
//   y [o, p, c]  = sum over taps (i, j) of search[o + i, p + j, c] * kernel[i, j, c]
//   its gradients: dsearch[o, p, c] = sum of dy[o - i, p - j, c] * kernel[i, j, c]   (a full correlation, flipped)
//                  dkernel[i, j, c] = sum of dy[o, p, c] * search[o + i, p + j, c]   (dy in the kernel's place)
//
// Source: SiamRPN++ (CVPR 2019), section 3.3; SiamMask's models/rpn.py.
#pragma once

#include <cstdint>

namespace az::math {

/// search [images, h, w, channels], kernel [images or, if shared, 1, kh, kw, channels],
/// y [images, h_out(), w_out(), channels]
struct XcorrShape {
  int64_t images, h, w, channels, kh, kw;
  bool shared;  ///< one kernel for all images

  int64_t h_out() const { return h - kh + 1; }
  int64_t w_out() const { return w - kw + 1; }
  int64_t taps() const { return kh * kw; }
  int64_t kernels() const { return shared ? 1 : images; }
  /// Elements of one image's search feature, kernel and output.
  int64_t search_count() const { return h * w * channels; }
  int64_t kernel_count() const { return taps() * channels; }
  int64_t y_count() const { return h_out() * w_out() * channels; }
  /// The image's kernel, in elements from the first.
  int64_t kernel_at(int64_t image) const { return shared ? 0 : image * kernel_count(); }
};

}  // namespace az::math
