// 8-bit pictures on the device: what cpu/image.h does, with device memory in the views and `out`, equal to it to the
// bit. Layouts, padding and rules are described there; arguments must be such as the CPU's functions accept, with 1 to
// 4 channels. Pointers may have any alignment.
#pragma once

#include <array>
#include <cstdint>

#include "cpu/image.h"
#include "cuda/stream.h"

namespace az::cuda {

/// (pixel - mean) / std, mirrored on request, into the upper left of [padded_height, padded_width, 3]; the rest is 0.
/// T is float, bf16 or f16 (the f32 value, rounded).
template <class T>
void normalise(Stream& stream, const cpu::ImageView& source, const cpu::Normalise& how, int padded_width,
               int padded_height, T* out);

/// out      [height, width, source.channels]
void resize_bilinear(Stream& stream, const cpu::ImageView& source, int width, int height, uint8_t* out);

/// out      [part.height, part.width]
void resize_nearest(Stream& stream, const uint8_t* source, const cpu::Rect& source_part,
                    const cpu::NearestResize& sizes, const cpu::Rect& part, uint8_t* out);

/// out      [height, width, channels], not the source
void flip_horizontal(Stream& stream, const cpu::ImageView& source, uint8_t* out);

/// out      [height, width, channels]
void padded_crop(Stream& stream, const cpu::ImageView& source, int left, int top, int width, int height,
                 const std::array<uint8_t, 4>& fill, uint8_t* out);

/// out      [height, width, channels]
void warp_affine(Stream& stream, const cpu::ImageView& source, const cpu::Affine& to_source, int width, int height,
                 const std::array<uint8_t, 4>& fill, uint8_t* out);

}  // namespace az::cuda
