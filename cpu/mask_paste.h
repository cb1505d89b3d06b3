// A network's square mask put back into the picture that its crop came from (foolwood/SiamMask tools/test.py crop_back;
// specs/siammask.md section 12, steps 6 and 7).
#pragma once

#include <vector>

#include "cpu/contour.h"

namespace az::cpu {

/// Where a square mask lies in the picture, pixels.
struct MaskPlace {
  double x = 0, y = 0;  ///< of its first value
  double side = 0;      ///< what its values span
};

/// A probability for every pixel of `window`; every other pixel of the picture has -1, as have a mask's neighbours.
struct PastedMask {
  Rect window;
  std::vector<float> values;  // [window.height, window.width]

  float at(int x, int y) const {
    const int column = x - window.x, row = y - window.y;
    if (column < 0 || row < 0 || column >= window.width || row >= window.height) return -1;
    return values[static_cast<size_t>(row) * static_cast<size_t>(window.width) + static_cast<size_t>(column)];
  }
};

/// Pastes again and again, in the same memory.
class MaskPaster {
 public:
  /// Pixel (X, Y) takes the mask's bilinear sample at u = size / side * (X W / (W - 1) - x), v alike, where the mask's
  /// neighbours are -1.
  /// logits   [size, size]; values are their sigmoids
  /// out      of a picture of width x height
  /// Error: sizes below 1, a place that is not finite or has no side.
  void paste(const float* logits, int size, const MaskPlace& place, int width, int height, PastedMask& out);

 private:
  struct Tap {
    int first;
    float weight;  // of the second
  };
  /// The pixels along one side of the picture that the mask reaches; returns the first.
  static int taps(double start, double scale, int size, int pixels, std::vector<Tap>& out);

  std::vector<float> padded_;  // [size + 2, size + 2] with -1 around
  std::vector<float> row_;     // [size + 2]
  std::vector<Tap> columns_, rows_;
};

/// out [window.height, window.width] = 1 where the value is above the threshold, else 0.
void threshold_mask(const PastedMask& mask, float threshold, std::vector<uint8_t>& out);

}  // namespace az::cpu
