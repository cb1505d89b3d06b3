// Training targets of PolarMask on the device: what cpu/ray_labels computes, equal to it to the bit.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "math/polar.h"

namespace az::cuda {

/// One feature level: its grid of locations (j * stride + stride / 2, i * stride + stride / 2), row-major.
struct RayLabelLevel {
  int height, width, stride;
  int first;                // index of its first location, counted over all levels
  int first_segment;        // of the segments of kRayLabelSegment locations that blocks work on
  float nearest, farthest;  // distances from a location to the farthest side of a box that belongs to it
};

inline constexpr int kRayLabelLevels = 8;    // at most
inline constexpr int kRayLabelSegment = 64;  // consecutive locations of a level

/// Levels and options; cuda/ray_label_batch.h makes it from cpu::LabelOptions.
struct RayLabelPlan {
  RayLabelLevel levels[kRayLabelLevels];
  int level_count;
  int segments;   // of all levels
  int locations;  // L, of all levels
  int rays;       // 3..360
  float center_radius;
  math::LabelMode mode;
  int fill_max_run;              // 0 or more
  bool wipe_when_center_x_zero;  // cpu::LabelOptions::compat_wipe_when_center_x_zero
};

/// The objects of a batch of images, on the device. O objects, P contour points in all; only offsets say how many, so
/// that buffers may be larger than what is in them.
struct RayLabelInput {
  const int32_t* object_offsets;     // [images + 1]; objects of image i are object_offsets[i] .. object_offsets[i + 1]
  const int32_t* contour_offsets;    // [O + 1], in points; an object without points is left out
  const int32_t* points;             // [P, 2] x, y; aligned to 8 bytes
  const int32_t* centres;            // [O, 2] x, y
  const float* boxes;                // [O, 4] x1, y1, x2, y2
  const int32_t* labels;             // [O]
  const double* directions;          // [rays, 2] cpu::exact_ray_directions, for mode exact only
  const uint8_t* ignored = nullptr;  // [images, L] 1: label -1 if it is background; null: nowhere
};

/// Dense targets; a null one is left out. Every element is written: 0 (object: -1) where there is background.
struct RayLabelOutput {
  int32_t* label;     // [images, L]
  int32_t* object;    // [images, L], index within the image
  float* box;         // [images, L, 4] left, top, right, bottom
  float* rays;        // [images, L, rays]
  float* centerness;  // [images, L]
};

/// Targets of all locations of a batch.
void ray_labels(Stream& stream, const RayLabelPlan& plan, const RayLabelInput& input, int images,
                const RayLabelOutput& output);

}  // namespace az::cuda
