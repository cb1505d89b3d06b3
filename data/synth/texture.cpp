#include "data/synth/texture.h"

#include <cmath>

#include "data/synth/portable_math.h"
#include "tensor/simd.h"

namespace az::data::synth {
namespace {

// One row of pixels: own coordinates and noise in, colours out.
struct Row {
  int n = 0;
  const float* u = nullptr;
  const float* v = nullptr;
  const float* coarse = nullptr;
  const float* fine = nullptr;
  float* weight = nullptr;  // [3, n]: how much of dark, light and other is mixed into main, one after the other
};

AZ_SIMD void starfish(const Row& row, const Shape&, const Skin& s) {
  float* __restrict dark = row.weight;
  float* __restrict light = dark + row.n;
  float* __restrict other = light + row.n;
  for (int i = 0; i < row.n; ++i) {
    const float u = row.u[i];
    const float v = row.v[i];
    const float r = std::sqrt(u * u + v * v);
    const float arm = 5.0F * angle_turns(v, u);
    const float off = (arm - std::floor(arm + 0.5F)) * 0.2F;  // turns from the nearest arm's axis
    const float beside = std::fabs(sin_turns(off)) * r;
    const float x = u * s.frequency + 0.22F * row.coarse[i];
    const float y = v * s.frequency + 0.22F * row.fine[i] + s.phase;
    const float dots = smooth_step(0.35F, 0.6F, sin_turns(x) * sin_turns(y));
    light[i] = std::max(0.9F * dots, 0.55F * (1.0F - smooth_step(0.02F, 0.08F, beside)));
    dark[i] = 0.75F * smooth_step(0.1F, 0.34F, beside) + 0.2F * saturate(row.fine[i]);
    other[i] = 0.0F;
  }
}

AZ_SIMD void melon(const Row& row, const Shape& shape, const Skin& s) {
  float* __restrict dark = row.weight;
  float* __restrict light = dark + row.n;
  float* __restrict other = light + row.n;
  for (int i = 0; i < row.n; ++i) {
    const float x = row.u[i];
    const float y = row.v[i] / shape.aspect;
    const float half = std::sqrt(std::max(1.0F - y * y, 0.01F));  // of this parallel
    const float east = std::min(std::max(x / half, -1.0F), 1.0F);
    const float longitude = angle_turns(east, std::sqrt(1.0F - east * east));
    const float stripe =
        sin_turns(s.frequency * 2.0F * longitude + s.phase + s.sway * row.coarse[i] + 0.12F * row.fine[i]);
    const float rim = smooth_step(0.55F, 1.0F, x * x + y * y);
    const float gx = x + 0.35F;
    const float gy = y + 0.4F;
    dark[i] = std::max(0.9F * smooth_step(0.0F, 0.4F, stripe), 0.75F * rim);
    light[i] = 0.4F * (1.0F - smooth_step(0.0F, 0.35F, gx * gx + gy * gy));
    other[i] = 0.0F;
  }
}

AZ_SIMD void fish(const Row& row, const Shape& shape, const Skin& s) {
  float* __restrict dark = row.weight;
  float* __restrict light = dark + row.n;
  float* __restrict other = light + row.n;
  const float eye_v = -0.25F * shape.aspect;
  for (int i = 0; i < row.n; ++i) {
    const float u = row.u[i];
    const float v = row.v[i];
    const float wave = sin_turns(s.frequency * (v + s.sway * 0.1F * sin_turns(s.frequency * 0.8F * u)) + s.phase +
                                 0.12F * row.coarse[i]);
    const float fan = sin_turns(1.6F * s.frequency * v / (std::fabs(u - 0.25F) + 0.2F));
    const float tail = smooth_step(0.42F, 0.52F, u);
    const float pattern = smooth_step(-0.2F, 0.3F, mix(wave, fan, tail));
    const float du = u + 0.68F;
    const float dv = v - eye_v;
    const float eye = std::sqrt(du * du + dv * dv);
    const float ring = 1.0F - smooth_step(0.085F, 0.1F, eye);
    const float pupil = 1.0F - smooth_step(0.045F, 0.06F, eye);
    const float iris = smooth_step(0.065F, 0.075F, eye) * ring;
    const float outside = (1.0F - smooth_step(0.1F, 0.13F, eye)) * (1.0F - ring);
    const float gill =
        1.0F - smooth_step(0.012F, 0.03F, std::fabs(std::sqrt((u + 0.95F) * (u + 0.95F) + v * v) - 0.5F));
    const float back = smooth_step(0.05F, 0.45F, -v);
    const float face = smooth_step(-0.5F, -0.42F, u);  // no scales in front of the gills
    dark[i] = std::max(std::max(0.75F * pattern * face, 0.55F * gill), std::max(0.6F * back, std::max(pupil, outside)));
    light[i] = std::max(iris, 0.45F * smooth_step(0.12F, 0.4F, v) * (1.0F - ring));
    other[i] = 0.0F;
  }
}

AZ_SIMD void banana(const Row& row, const Shape& shape, const Skin& s) {
  float* __restrict dark = row.weight;
  float* __restrict light = dark + row.n;
  float* __restrict other = light + row.n;
  for (int i = 0; i < row.n; ++i) {
    const float v = row.v[i] - shape.middle;
    const float along = angle_turns(row.u[i], v) / shape.aspect;  // -1..1 from end to end
    const float across = std::sqrt(row.u[i] * row.u[i] + v * v) - 1.0F;
    const float edges = 1.0F - smooth_step(0.008F, 0.03F, std::fabs(std::fabs(across + 0.02F * row.coarse[i]) - 0.1F));
    const float freckles = smooth_step(0.3F, 0.5F, row.coarse[i] + 0.35F * row.fine[i]);
    const float specks = smooth_step(0.55F, 0.75F, row.fine[i]);
    other[i] = std::max(0.75F * std::max(freckles, specks),
                        0.85F * smooth_step(0.8F, 0.97F, std::fabs(along) + 0.05F * row.fine[i]));
    light[i] = 0.35F * (1.0F - smooth_step(0.0F, 0.12F, std::fabs(across + 0.08F)));
    dark[i] = 0.3F * edges + 0.5F * smooth_step(0.08F, 0.3F, across) + 0.25F * saturate(-row.coarse[i] * s.sway);
  }
}

AZ_SIMD void parcel(const Row& row, const Shape& shape, const Skin& s) {
  float* __restrict dark = row.weight;
  float* __restrict light = dark + row.n;
  float* __restrict other = light + row.n;
  for (int i = 0; i < row.n; ++i) {
    const float u = row.u[i];
    const float v = row.v[i];
    const float bent = v + 0.05F * sin_turns(0.4F * u + s.phase) + 0.1F * s.sway * row.coarse[i];
    const float grain = sin_turns(s.frequency * bent);
    const float u_off = std::fabs(u - 0.2F * (s.phase - 0.5F));
    const float v_off = std::fabs(v - 0.15F * (s.sway - 0.5F));
    const float ribbon = 1.0F - smooth_step(0.125F, 0.14F, std::min(u_off, v_off));
    const float beside = 1.0F - smooth_step(0.12F, 0.24F, std::min(u_off, v_off));
    const float knot = 1.0F - smooth_step(0.18F, 0.22F, std::max(u_off, v_off));
    const float rim = smooth_step(0.9F, 1.0F, std::max(std::fabs(u), std::fabs(v) / shape.aspect));
    other[i] = std::max(ribbon, knot) *
               (0.9F - 0.18F * smooth_step(0.03F, 0.12F, std::min(u_off, v_off)) + 0.1F * row.fine[i]);
    light[i] = 0.0F;
    dark[i] =
        std::max(0.65F * smooth_step(-0.3F, 0.6F, grain + 0.5F * row.fine[i]), std::max(0.6F * beside, 0.5F * rim));
  }
}

AZ_SIMD void flower(const Row& row, const Shape& shape, const Skin& s) {
  float* __restrict dark = row.weight;
  float* __restrict light = dark + row.n;
  float* __restrict other = light + row.n;
  for (int i = 0; i < row.n; ++i) {
    const float u = row.u[i];
    const float v = row.v[i];
    const float r = std::sqrt(u * u + v * v);
    const float angle = angle_turns(v, u);
    const float lines =
        sin_turns(shape.petals * std::floor(s.frequency) * angle + s.phase + 0.2F * s.sway * row.coarse[i]);
    const float between = smooth_step(0.6F, 1.0F, -cos_turns(shape.petals * angle)) * smooth_step(0.4F, 0.9F, r);
    const float disc = 1.0F - smooth_step(0.31F, 0.345F, r + 0.02F * row.fine[i]);
    const float specks = smooth_step(
        0.1F, 0.6F, sin_turns(11.0F * u + 0.3F * row.fine[i]) * sin_turns(11.0F * v + 0.3F * row.coarse[i]));
    const float throat = 1.0F - smooth_step(0.33F, 0.55F, r);
    other[i] = disc * (0.95F - 0.5F * specks);
    light[i] = 0.4F * smooth_step(0.7F, 1.0F, r) * (1.0F - between);
    dark[i] = std::max(std::max(0.6F * smooth_step(-0.1F, 0.9F, lines), 0.5F * between), 0.85F * throat);
  }
}

AZ_SIMD void own_coordinates(const Pose& p, double x, double y, float* __restrict u, float* __restrict v, int n) {
  const double det = p.a * p.d - p.b * p.c;
  const double dx = x + 0.5 - p.centre.x;
  const double dy = y + 0.5 - p.centre.y;
  const auto u0 = static_cast<float>((p.d * dx - p.b * dy) / det);
  const auto v0 = static_cast<float>((p.a * dy - p.c * dx) / det);
  const auto du = static_cast<float>(p.d / det);
  const auto dv = static_cast<float>(-p.c / det);
  for (int i = 0; i < n; ++i) {
    u[i] = u0 + du * static_cast<float>(i);
    v[i] = v0 + dv * static_cast<float>(i);
  }
}

// Mixes the colours by the weights and lights them.
AZ_SIMD void colour_row(const Row& row, const Skin& s, size_t c, float* __restrict out) {
  const float main = s.main[c];
  const float dark = s.dark[c];
  const float light = s.light[c];
  const float other = s.other[c];
  for (int i = 0; i < row.n; ++i) {
    float value = mix(main, dark, saturate(row.weight[i]));
    value = mix(value, light, saturate(row.weight[row.n + i]));
    value = mix(value, other, saturate(row.weight[2 * row.n + i]));
    const float shade =
        1.0F + s.shade_u * row.u[i] + s.shade_v * row.v[i] + 0.14F * row.coarse[i] + 0.09F * row.fine[i];
    out[i] = value * std::max(shade, 0.1F);
  }
}

}  // namespace

Skin draw_skin(Kind kind, Rng& rng) {
  constexpr double kHue[kKinds] = {15, 110, 200, 55, 30, 310};
  constexpr double kFrequency[kKinds][2] = {{2.6, 4.2}, {5, 9}, {3, 5.5}, {1, 1}, {5, 10}, {2, 5}};
  const auto k = static_cast<size_t>(kind);
  Skin skin;
  const double hue = rng.chance(0.7) ? kHue[k] + 40 * normal12(rng) : rng.uniform(0, 360);
  const double saturation = rng.uniform(0.45, 0.9);
  const double value = rng.uniform(0.5, 0.92);
  skin.main = from_hsv(hue, saturation, value);
  const double dark_hue = hue + rng.uniform(-12, 12);
  skin.dark = from_hsv(dark_hue, std::min(1.0, saturation * 1.1), value * rng.uniform(0.28, 0.5));
  skin.light = from_hsv(hue, saturation * 0.3, std::min(1.0, value + 0.3));
  const double other_hue = kind == Kind::parcel ? rng.uniform(0, 360) : kind == Kind::flower ? rng.uniform(30, 75) : 25;
  const double other_saturation = kind == Kind::parcel ? rng.uniform(0.05, 0.6) : rng.uniform(0.5, 0.8);
  const double other_value = kind == Kind::parcel   ? rng.uniform(0.65, 0.95)
                             : kind == Kind::flower ? rng.uniform(0.5, 0.85)
                                                    : rng.uniform(0.2, 0.35);
  skin.other = from_hsv(other_hue, other_saturation, other_value);
  skin.frequency = static_cast<float>(rng.uniform(kFrequency[k][0], kFrequency[k][1]));
  skin.phase = static_cast<float>(rng.uniform());
  skin.sway = static_cast<float>(rng.uniform(0.4, 1));
  const auto side = static_cast<float>(rng.uniform());
  skin.shade_u = 0.28F * cos_turns(side);
  skin.shade_v = 0.28F * sin_turns(side);
  return skin;
}

Canvas paint(const Shape& shape, const Skin& skin, const Pose& pose, const Box& box, const Plane& coarse,
             const Plane& fine) {
  Canvas out;
  for (Plane& plane : out) plane = Plane(box.width, box.height);
  const auto n = static_cast<size_t>(box.width);
  std::vector<float> own(2 * n);
  std::vector<float> weight(3 * n);
  for (int y = 0; y < box.height; ++y) {
    own_coordinates(pose, box.x, box.y + y, own.data(), own.data() + n, box.width);
    const Row row{box.width, own.data(), own.data() + n, coarse.row(y), fine.row(y), weight.data()};
    switch (shape.kind) {
      case Kind::starfish: starfish(row, shape, skin); break;
      case Kind::melon: melon(row, shape, skin); break;
      case Kind::fish: fish(row, shape, skin); break;
      case Kind::banana: banana(row, shape, skin); break;
      case Kind::parcel: parcel(row, shape, skin); break;
      case Kind::flower: flower(row, shape, skin); break;
    }
    for (size_t c = 0; c < 3; ++c) colour_row(row, skin, c, out[c].row(y));
  }
  return out;
}

}  // namespace az::data::synth
