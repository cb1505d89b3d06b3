// The outlines of the six classes, and how one is put into a picture.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "data/synth/raster.h"
#include "tensor/rng.h"

namespace az::data::synth {

enum class Kind { starfish, melon, fish, banana, parcel, flower };
inline constexpr int kKinds = 6;
inline constexpr std::array<std::string_view, kKinds> kKindNames = {"starfish", "melon",  "fish",
                                                                    "banana",   "parcel", "flower"};

/// An outline in its own coordinates (u to the right, v down, radius about 1), with what its texture has to know.
struct Shape {
  Kind kind = Kind::melon;
  std::vector<Point> outline{};
  float aspect = 1;  ///< melon: its axis ratio; fish: half its height; banana: half the angle of its arc, in turns
  float middle = 0;  ///< banana: the v of the centre of its arc
  float petals = 0;  ///< flower: how many
};

Shape draw_shape(Kind kind, Rng& rng);

/// Places (u, v) in a picture: p = centre + [a b; c d] (u, v).
struct Pose {
  double a = 1, b = 0, c = 0, d = 1;
  Point centre;
};

/// A random rotation (any for starfish and flower, else mostly upright), stretch and mirroring, scaled so that the
/// outline has an area of size * size pixels. Centre (0, 0).
Pose draw_pose(const Shape& shape, double size, Rng& rng);

std::vector<Point> place(const Shape& shape, const Pose& pose);

}  // namespace az::data::synth
