// The square crops of Siamese trackers: pixels around a position, padded with a colour, resized to a network's input
// (foolwood/SiamMask tools/test.py get_subwindow_tracking; specs/siammask.md section 12).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cpu/image.h"
#include "math/image.h"

namespace az::cpu {

/// How a crop's corner becomes a whole number.
enum class CropRounding : uint8_t {
  half_even,  ///< Python's round, as SiamMask
  half_up,    ///< floor(v + 0.5), as pysot
};

struct SquareCrop {
  double x = 0, y = 0;  ///< the position: side / 2 + 0.5 pixels right of and below the first pixel, before rounding
  int side = 0;         ///< in the picture, pixels
  int size = 0;         ///< of the result
  std::array<uint8_t, 3> fill{};  ///< outside the picture, in the order of the source's channels
  CropRounding rounding = CropRounding::half_even;
};

/// Crops again and again, in the same memory. Not for several threads at once.
class SquareCropper {
 public:
  /// The crop with 8-bit values, resized as OpenCV does it (math/image.h), as floats with the first and third channels
  /// exchanged: B, G, R of an R, G, B picture. Reads the needed rows and columns of the picture only.
  /// source   [height, width, 3]
  /// out      [size, size, 3] f32, 0 to 255
  /// Error: a picture without pixels or with other channels, a side or size out of 1 to 2^20, a position that is not
  /// within 2^28.
  void crop(const ImageView& source, const SquareCrop& place, float* out);

 private:
  const int16_t* row(const ImageView& source, int y, const SquareCrop& place);

  int left_ = 0, top_ = 0;
  std::vector<math::BilinearTap> taps_;       // [size]
  std::vector<uint64_t> words_;               // [side], cpu/image_rows.h
  std::array<std::vector<int16_t>, 2> rows_;  // [size, 3]
  std::array<int, 2> held_{-1, -1};           // rows of the crop
  int last_ = 0;
};

/// Mean of each channel over all pixels.   source [height, width, 3]. Error: no pixel, other channels.
std::array<double, 3> mean_colour(const ImageView& source);

}  // namespace az::cpu
