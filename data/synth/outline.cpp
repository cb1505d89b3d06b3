#include "data/synth/outline.h"

#include <algorithm>
#include <cmath>

#include "data/synth/portable_math.h"

namespace az::data::synth {
namespace {

double sine(double turns) { return static_cast<double>(sin_turns(static_cast<float>(turns))); }
double cosine(double turns) { return static_cast<double>(cos_turns(static_cast<float>(turns))); }

constexpr int kPoints = 180;

// A closed curve r(t), t in turns.
template <class Radius>
std::vector<Point> polar(const Radius& radius) {
  std::vector<Point> out;
  for (int i = 0; i < kPoints; ++i) {
    const double t = static_cast<double>(i) / kPoints;
    const double r = radius(t);
    out.push_back({r * cosine(t), r * sine(t)});
  }
  return out;
}

Shape starfish(Rng& rng) {
  Shape shape{.kind = Kind::starfish};
  const double power = rng.uniform(1, 1.35);
  const double lopsided = rng.uniform(0, 0.08);
  const double side = rng.uniform();
  shape.outline = polar([&](double t) {
    const double arm = portable_pow(0.62 + 0.38 * cosine(5 * t), power);
    return (0.3 + 0.7 * arm) * (1 + lopsided * cosine(t - side));
  });
  return shape;
}

Shape melon(Rng& rng) {
  Shape shape{.kind = Kind::melon};
  const double ratio = rng.uniform(0.62, 1);
  shape.aspect = static_cast<float>(ratio);
  for (int i = 0; i < kPoints; ++i) {
    const double t = static_cast<double>(i) / kPoints;
    shape.outline.push_back({cosine(t), ratio * sine(t)});
  }
  return shape;
}

// Nose at u = -1, the stem of the tail at u = 0.5, its tips near u = 1.
Shape fish(Rng& rng) {
  Shape shape{.kind = Kind::fish};
  const double half = rng.uniform(0.38, 0.54);
  const double fin = rng.uniform(0.08, 0.2);
  const double fin_at = rng.uniform(0.42, 0.58);
  const double tail = rng.uniform(0.28, 0.38);
  const double fork = rng.uniform(0.68, 0.82);
  shape.aspect = static_cast<float>(half);
  const auto side = [&](double q) { return std::max(half * portable_pow(sine(0.5 * q), 0.8), q > 0.5 ? 0.1 : 0.0); };
  constexpr int kSide = 60;
  for (int i = 0; i <= kSide; ++i) {
    const double q = static_cast<double>(i) / kSide;
    const double from = (q - fin_at) / 0.22;
    // The fin climbs slowly and falls off fast behind its tip.
    const double bump = from < 0 ? smooth_step(-1.2F, 0.0F, static_cast<float>(from))
                                 : 1 - smooth_step(0.0F, 0.8F, static_cast<float>(from));
    shape.outline.push_back({-1 + 1.5 * q, -side(q) - fin * bump});
  }
  const double top_tip = rng.uniform(0.84, 0.98);
  const double low_tip = rng.uniform(0.84, 0.98);
  shape.outline.push_back({top_tip, -tail});
  shape.outline.push_back({fork, 0});
  shape.outline.push_back({low_tip, tail});
  for (int i = kSide; i >= 1; --i) {
    const double q = static_cast<double>(i) / kSide;
    shape.outline.push_back({-1 + 1.5 * q, side(q)});
  }
  return shape;
}

Shape banana(Rng& rng) {
  Shape shape{.kind = Kind::banana};
  const double half_angle = rng.uniform(0.65, 1.0) / 6.283185307179586;
  const double half_width = rng.uniform(0.24, 0.34);
  shape.aspect = static_cast<float>(half_angle);
  shape.middle = static_cast<float>(-0.5 * (1 + cosine(half_angle)));  // the arc hangs below its centre, about v = 0
  constexpr int kSide = 70;
  for (int side = 0; side < 2; ++side)
    for (int i = 0; i < kSide; ++i) {
      const double along = (side == 0 ? 1 : -1) * (2.0 * i / kSide - 1);
      const double width = half_width * std::sqrt(std::max(0.0, 1 - along * along));
      const double r = side == 0 ? 1 + width : 1 - width;
      shape.outline.push_back(
          {r * sine(along * half_angle), r * cosine(along * half_angle) + static_cast<double>(shape.middle)});
    }
  return shape;
}

Shape parcel(Rng& rng) {
  Shape shape{.kind = Kind::parcel};
  const double half = rng.uniform(0.6, 1);
  const double keystone = rng.uniform(-0.25, 0.25);
  shape.aspect = static_cast<float>(half);
  constexpr double kCorner[4][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}};
  for (const auto& corner : kCorner) {
    const double dx = rng.uniform(-0.06, 0.06);
    const double dy = rng.uniform(-0.06, 0.06);
    shape.outline.push_back({corner[0] * (1 + 0.5 * keystone * corner[1]) + dx, half * corner[1] + dy});
  }
  return shape;
}

Shape flower(Rng& rng) {
  Shape shape{.kind = Kind::flower};
  const auto petals = static_cast<double>(rng.integer(5, 7));
  const double depth = rng.uniform(0.08, 0.15);
  shape.petals = static_cast<float>(petals);
  shape.outline = polar([&](double t) {
    const double wave = cosine(petals * t);
    const double full = portable_pow(std::fabs(wave), 0.6);
    return (1 - depth) + depth * (wave < 0 ? -full : full);
  });
  return shape;
}

}  // namespace

Shape draw_shape(Kind kind, Rng& rng) {
  switch (kind) {
    case Kind::starfish: return starfish(rng);
    case Kind::melon: return melon(rng);
    case Kind::fish: return fish(rng);
    case Kind::banana: return banana(rng);
    case Kind::parcel: return parcel(rng);
    case Kind::flower: break;
  }
  return flower(rng);
}

Pose draw_pose(const Shape& shape, double size, Rng& rng) {
  const bool any = shape.kind == Kind::starfish || shape.kind == Kind::flower;
  double turn = any ? rng.uniform() : 0.5 / 6.283185307179586 * normal12(rng);
  if (!any && rng.chance(0.15)) turn += 0.5;
  const double stretch = rng.uniform(0.75, 1.25);
  const double mirror = rng.chance(0.5) ? -1 : 1;
  const double scale = size / std::sqrt(std::fabs(signed_area(shape.outline)) * stretch);
  Pose pose;
  pose.a = scale * mirror * cosine(turn);
  pose.b = -scale * stretch * sine(turn);
  pose.c = scale * mirror * sine(turn);
  pose.d = scale * stretch * cosine(turn);
  return pose;
}

std::vector<Point> place(const Shape& shape, const Pose& pose) {
  std::vector<Point> out;
  out.reserve(shape.outline.size());
  for (const Point& p : shape.outline)
    out.push_back({pose.centre.x + pose.a * p.x + pose.b * p.y, pose.centre.y + pose.c * p.x + pose.d * p.y});
  return out;
}

}  // namespace az::data::synth
