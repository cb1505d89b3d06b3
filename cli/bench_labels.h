// `azimuth bench labels`: the time to make one training image's PolarMask targets.
#pragma once

#include <cstdint>

#include "cpu/rays.h"

namespace az::cli {

struct BenchLabelsOptions {
  int repeats = 200;
  uint64_t seed = 1;
  cpu::LabelMode mode = cpu::LabelMode::compat;
};

/// Medians over the repeats, one thread, in milliseconds.
struct BenchLabels {
  double ms = 0;           // contours, centres, assignment and rays: the whole of the labels
  double ms_min = 0;       // fastest repeat of that
  double contours_ms = 0;  // contours and mass centres
  double rays_ms = 0;      // assignment and rays
  double dense_ms = 0;     // besides: writing dense targets for all locations
  int objects = 0;
  int positives = 0;
  int contour_points = 0;  // of all objects
  int64_t locations = 0;
};

/// Times the labels of 7 seeded blob-like objects of varied size in an image of 800x1333 padded to 896x1408, about 70
/// positive locations, the case on which the reference's loader was measured (67 ms; specification section 15).
BenchLabels bench_labels(const BenchLabelsOptions& options = {});

}  // namespace az::cli
