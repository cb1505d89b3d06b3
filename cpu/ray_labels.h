// Training targets of PolarMask: which locations learn which object, and the rays they should predict.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "cpu/contour.h"
#include "cpu/rays.h"

namespace az::cpu {

struct LabelOptions {
  int rays = 36;  // 3..360
  std::vector<int> strides = {8, 16, 32, 64, 128};
  /// Per level the smallest and largest distance from a location to a side of its box, both inclusive.
  std::vector<std::pair<float, float>> ranges = {
      {-1.f, 64.f}, {64.f, 128.f}, {128.f, 256.f}, {256.f, 512.f}, {512.f, 1e8f}};
  float center_radius = 1.5f;  // half window around the mass centre, in strides
  LabelMode mode = LabelMode::compat;
  int fill_max_run =
      kFillMaxRun;  // filled: longer gaps stay missing, and so do all when fewer than a third of the rays are found
  /// The reference makes a whole image background when the first object's mass centre has x = 0; for comparisons only.
  bool compat_wipe_when_center_x_zero = false;
};

/// An annotated object on the padded image.
struct LabelObject {
  ObjectShape shape;
  std::array<float, 4> box{};  // x1, y1, x2, y2
  int32_t label = 1;           // 1 .. classes
};

/// One feature level's grid of locations: (j * stride + stride / 2, i * stride + stride / 2), row-major.
struct LevelGrid {
  int height = 0;
  int width = 0;
  int stride = 0;
  int64_t first = 0;  // index of its first location, counted over all levels
};

/// Grids of a padded image, as the network's levels come out: ceil(size / stride).
std::vector<LevelGrid> level_grids(int padded_height, int padded_width, std::span<const int> strides);
int64_t location_count(std::span<const LevelGrid> grids);

struct PositiveLocation {
  int64_t location = 0;
  int32_t object = 0;  // index into the given objects
  int32_t label = 0;
  std::array<float, 4> box{};  // left, top, right, bottom distances to the object's box
  float centerness = 0;        // sqrt(shortest / longest ray)
};

/// The locations that learn an object, ascending; every other one is background.
struct ImageTargets {
  int64_t locations = 0;
  int rays = 0;
  std::vector<PositiveLocation> positives;
  std::vector<float> lengths;  // [positives, rays]
};

/// Targets of one image. Objects with an empty contour are left out (a mask may vanish in the resize).
/// Error: option lists of different lengths, or an unusable number of rays or stride.
ImageTargets image_targets(std::span<const LabelObject> objects, int padded_height, int padded_width,
                           const LabelOptions& options);

/// Where the loader wants one image's dense targets; L = locations. Empty spans are left out.
struct TargetSpans {
  std::span<int32_t> label;     // [L], 0 background
  std::span<int32_t> object;    // [L], -1 background
  std::span<float> box;         // [L, 4]
  std::span<float> rays;        // [L, rays]
  std::span<float> centerness;  // [L]
};

/// Fills every element: zeros (object: -1) where there is background. Error: a span of another size.
void write_targets(const ImageTargets& targets, const TargetSpans& out);

}  // namespace az::cpu
