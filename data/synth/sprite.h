// An object with its surface painted once, to be put into many frames.
#pragma once

#include <vector>

#include "cpu/image.h"
#include "data/synth/motion.h"
#include "data/synth/outline.h"
#include "data/synth/plane.h"
#include "data/synth/texture.h"

namespace az::data::synth {

/// A picture of floats to take samples of.
struct Texture {
  int width = 0;
  int height = 0;
  std::vector<float> pixels;  // [height, width, 3]
};
Texture to_texture(const Canvas& canvas);
/// The colours of a box of a picture; to_texture leads from the picture's positions to the texture's.
Canvas sample(const Texture& texture, const cpu::Affine& to_texture, const Box& box);

struct Sprite {
  Shape shape;
  Skin skin;
  double reach = 1;   ///< the texture shows own coordinates -reach..reach
  double mirror = 1;  ///< 1 or -1
  double wave = 0;    ///< how far the outline swings in and out, a share of its radius
  double lobes = 3;   ///< how often around
  Texture texture;
};

/// About size_px large.
Sprite draw_sprite(Kind kind, double size_px, Rng& rng);
/// Another object of the same kind that looks nearly the same.
Sprite draw_twin(const Sprite& sprite, double size_px, Rng& rng);

/// Where an object is in a frame.
struct PlacedSprite {
  Pose pose;
  std::vector<Point> outline;
};
PlacedSprite place(const Sprite& sprite, const ObjectState& state);
/// Its colours in a box of the frame.
Canvas colours(const Sprite& sprite, const Pose& pose, const Box& box);

}  // namespace az::data::synth
