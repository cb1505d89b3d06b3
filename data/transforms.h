// From an annotated picture to the picture, boxes and masks that a network trains on. Pure functions; randomness is an
// Rng argument. Every transform is one Placement: resize the whole picture, cut (or pad) a window out of it, mirror it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cpu/image.h"
#include "cpu/rle.h"
#include "data/image.h"
#include "tensor/rng.h"

namespace az::data {

/// x1, y1, x2, y2 with both ends inside, as the references have boxes.
using BoxCorners = std::array<float, 4>;

/// An object's mask: pixels (0 or 1) of the part of the picture that holds them all.
struct ObjectMask {
  cpu::Rect part;
  std::vector<uint8_t> pixels;  // [part.height, part.width]

  int64_t count() const;  ///< pixels of the object
};

/// The part of a run-length mask that holds its pixels; an empty part without any.
ObjectMask mask_from_runs(const cpu::Rle& runs);
/// The whole picture, [height, width].
std::vector<uint8_t> mask_canvas(const ObjectMask& mask, int width, int height);

/// How a picture lands in the network's input.
struct Placement {
  ImageSize resized;  ///< the whole picture, stretched
  float scale_x = 1;  ///< what box coordinates are multiplied with; resized / original in f32
  float scale_y = 1;
  int left = 0;  ///< upper left corner of the window in the resized picture; may lie outside it
  int top = 0;
  ImageSize window;   ///< size of the result, before padding
  bool flip = false;  ///< the window is mirrored, last
};

// ---- sizes --------------------------------------------------------------------------------------------------------

/// The sizes that a configuration trains at.
struct ScaleRule {
  std::vector<ImageSize> scales;
  bool range = false;       ///< two scales: long and short side each uniform between theirs; else one of the list
  bool keep_ratio = false;  ///< the scale is then a limit for the long and one for the short side
};

/// One scale of the rule; draws only where there is a choice. In range mode the width is the long side.
/// Error: no scale, or a range without exactly two.
ImageSize pick_scale(const ScaleRule& rule, Rng& rng);
/// Resize of the whole picture to `scale`: exactly, whatever its shape (the reference makes portraits landscape), or
/// with `keep_ratio` as large as the scale's long and short side allow.
Placement resize_placement(const ImageSize& picture, const ImageSize& scale, bool keep_ratio);
/// The smallest multiple of `divisor` that holds `size`; the size itself when the divisor is 0.
int padded_size(int size, int divisor);

/// Zoom, change of aspect and shift of the tiny recipe (docs: results on the generated set).
struct ZoomRule {
  double zoom_low = 0.9;  ///< log-uniform up to zoom_high
  double zoom_high = 1.15;
  double aspect = 0.06;  ///< width over height changes by a factor within 1 -+ this
};
/// A window of `target` at a random place: inside the stretched picture where that is larger, around it where smaller.
Placement zoom_placement(const ImageSize& picture, const ImageSize& target, const ZoomRule& rule, Rng& rng);

// ---- applying a placement -----------------------------------------------------------------------------------------

/// The window of the picture, not yet mirrored: normalise does that in its own pass. `fill` where the window leaves
/// the picture.
Image place_image(const Image& picture, const Placement& placement, const std::array<uint8_t, 4>& fill);
/// The box in the window, clipped to it.
BoxCorners place_box(const BoxCorners& box, const Placement& placement);

struct PlacedMask {
  ObjectMask mask;         ///< in the window
  int64_t resized_pixels;  ///< what the object had before the window cut it
};
/// The mask in the window: nearest-neighbour resize, only where the object is.
PlacedMask place_mask(const ObjectMask& mask, const ImageSize& picture, const Placement& placement);

}  // namespace az::data
