#include "data/synth/sprite.h"

#include <algorithm>
#include <cmath>

#include "cpu/warp.h"
#include "data/synth/portable_math.h"

namespace az::data::synth {
namespace {

constexpr int kLeastSide = 48, kMostSide = 400;

double outline_reach(const Shape& shape) {
  double reach = 0;
  for (const Point& p : shape.outline) reach = std::max({reach, std::fabs(p.x), std::fabs(p.y)});
  return reach;
}

Sprite make_sprite(const Shape& shape, const Skin& skin, double size_px, Rng& rng) {
  Sprite sprite{.shape = shape, .skin = skin, .texture = {}};
  sprite.mirror = rng.chance(0.5) ? -1 : 1;
  sprite.wave = rng.uniform(0, 0.1);
  sprite.lobes = static_cast<double>(rng.integer(2, 4));
  sprite.reach = 1.15 * outline_reach(shape);
  const double scale = size_px / std::sqrt(std::fabs(signed_area(shape.outline)));
  const int side = std::clamp(static_cast<int>(2 * sprite.reach * scale), kLeastSide, kMostSide);
  const double cell_px = 0.35 * side / (2 * sprite.reach) * 1.8;
  const Plane coarse = fractal_noise(side, side, cell_px, cell_px, 2, 0.5, rng);
  const Plane fine = fractal_noise(side, side, cell_px / 3, cell_px / 3, 2, 0.7, rng);
  const double step = side / (2 * sprite.reach);
  const Pose pose{step, 0, 0, step, {side / 2.0, side / 2.0}};
  sprite.texture = to_texture(paint(shape, skin, pose, {0, 0, side, side}, coarse, fine));
  return sprite;
}

Colour mix_colours(const Colour& a, const Colour& b, float t) {
  return {mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)};
}

}  // namespace

Texture to_texture(const Canvas& canvas) {
  Texture texture{canvas[0].width, canvas[0].height, {}};
  texture.pixels.resize(canvas[0].values.size() * 3);
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < canvas[c].values.size(); ++i) texture.pixels[3 * i + c] = canvas[c].values[i];
  return texture;
}

Canvas sample(const Texture& texture, const cpu::Affine& to_texture, const Box& box) {
  const cpu::FloatView view{texture.pixels.data(), texture.width, texture.height, 3};
  cpu::Affine m = to_texture;
  m[2] += m[0] * box.x + m[1] * box.y;
  m[5] += m[3] * box.x + m[4] * box.y;
  std::vector<float> mixed(static_cast<size_t>(box.width) * static_cast<size_t>(box.height) * 3);
  cpu::warp_exact(view, m, box.width, box.height, {118, 118, 118, 0}, mixed.data());
  Canvas out;
  for (size_t c = 0; c < 3; ++c) {
    out[c] = Plane(box.width, box.height);
    for (size_t i = 0; i < out[c].values.size(); ++i) out[c].values[i] = mixed[3 * i + c];
  }
  return out;
}

Sprite draw_sprite(Kind kind, double size_px, Rng& rng) {
  const Shape shape = draw_shape(kind, rng);
  const Skin skin = draw_skin(kind, rng);
  return make_sprite(shape, skin, size_px, rng);
}

Sprite draw_twin(const Sprite& sprite, double size_px, Rng& rng) {
  const Shape shape = draw_shape(sprite.shape.kind, rng);
  const Skin other = draw_skin(sprite.shape.kind, rng);
  Skin skin = sprite.skin;
  const auto unlike = static_cast<float>(rng.uniform(0.1, 0.4));
  skin.main = mix_colours(skin.main, other.main, unlike);
  skin.dark = mix_colours(skin.dark, other.dark, unlike);
  skin.light = mix_colours(skin.light, other.light, unlike);
  skin.other = mix_colours(skin.other, other.other, unlike);
  skin.frequency = mix(skin.frequency, other.frequency, unlike);
  skin.phase = other.phase;
  return make_sprite(shape, skin, size_px, rng);
}

PlacedSprite place(const Sprite& sprite, const ObjectState& state) {
  Shape shape = sprite.shape;
  for (Point& p : shape.outline) {
    const double angle = static_cast<double>(angle_turns(static_cast<float>(p.y), static_cast<float>(p.x)));
    const double swing =
        1 + sprite.wave * static_cast<double>(sin_turns(static_cast<float>(sprite.lobes * angle + state.wave)));
    p.x *= swing;
    p.y *= swing;
  }
  const double scale = state.size_px / std::sqrt(std::fabs(signed_area(sprite.shape.outline)) * state.stretch);
  const auto turn = static_cast<float>(state.turn);
  const double cosine = static_cast<double>(cos_turns(turn)), sine = static_cast<double>(sin_turns(turn));
  PlacedSprite placed;
  placed.pose.a = scale * sprite.mirror * cosine;
  placed.pose.b = -scale * state.stretch * sine;
  placed.pose.c = scale * sprite.mirror * sine;
  placed.pose.d = scale * state.stretch * cosine;
  placed.pose.centre = state.centre;
  placed.outline = place(shape, placed.pose);
  return placed;
}

Canvas colours(const Sprite& sprite, const Pose& pose, const Box& box) {
  // Pixel centre to own coordinates, and these to the texture's pixel centres.
  const double det = pose.a * pose.d - pose.b * pose.c;
  const double step = sprite.texture.width / (2 * sprite.reach);
  const double a = step * pose.d / det, b = -step * pose.b / det, c = -step * pose.c / det, d = step * pose.a / det;
  const double x = 0.5 - pose.centre.x, y = 0.5 - pose.centre.y, middle = step * sprite.reach - 0.5;
  return sample(sprite.texture, {a, b, a * x + b * y + middle, c, d, c * x + d * y + middle}, box);
}

}  // namespace az::data::synth
