// Objects drawn over a picture: translucent mask, contour, rays and centre, box, class and score. Every line has a dark
// rim, so that it shows on any background.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cpu/rle.h"
#include "data/image.h"

namespace az::eval {

/// Coordinates are the picture's: pixel (x, y) covers x..x + 1, y..y + 1. What is empty is not drawn.
struct OverlayItem {
  std::string name;                            ///< of the class
  double score = -1;                           ///< written behind the name unless negative
  int category = 0;                            ///< picks the colour with ColourBy::category
  std::array<double, 4> box{};                 ///< x, y, width, height
  std::vector<std::array<double, 2>> polygon;  ///< one contour; with a centre its vertices are the ends of the rays
  std::optional<cpu::Mask> mask;               ///< of the picture's size; filled in place of the polygon
  std::optional<std::array<double, 2>> centre;
};

enum class ColourBy { instance, category };

struct OverlayOptions {
  ColourBy colour_by = ColourBy::instance;
  double opacity = 0.4;  ///< of the masks
  bool boxes = false;
  bool rays = true;  ///< from the centre to each vertex, where there is a centre
  bool labels = true;
  double least_score = 0;  ///< items with a lower, non-negative score are left out
};

/// A colour for index 0, 1, 2, …: always the same, and unlike its neighbours.
std::array<uint8_t, 3> overlay_colour(int index);

/// The picture (3 channels) with the items over it, high scores on top. Labels stay inside the picture and off each
/// other while there is room. Error: a picture that is not RGB, or a mask of another size.
data::Image draw_overlay(const data::Image& image, std::span<const OverlayItem> items,
                         const OverlayOptions& options = {});

/// Two pictures side by side on one canvas, each under its title.
data::Image side_by_side(const data::Image& left, const std::string& left_title, const data::Image& right,
                         const std::string& right_title);

/// Ground truth on the left, predictions on the right.
data::Image draw_comparison(const data::Image& image, std::span<const OverlayItem> truth,
                            std::span<const OverlayItem> predictions, const OverlayOptions& options = {});

}  // namespace az::eval
