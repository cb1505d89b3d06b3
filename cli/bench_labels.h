// `azimuth bench labels`: the time to make one training image's PolarMask targets.
#pragma once

#include <cstdint>
#include <string>

#include "cpu/rays.h"

namespace az::cli {

struct BenchLabelsOptions {
  int repeats = 200;
  uint64_t seed = 1;
  cpu::LabelMode mode = cpu::LabelMode::compat;
  std::string masks{};  // leave the objects' masks in this folder, 1.png to 7.png, for another program; empty: nowhere
};

/// Medians over the repeats, one thread, in milliseconds.
struct BenchLabels {
  double ms = 0;           // from masks of the padded size to the targets of every location: the sum of what follows
  double ms_min = 0;       // fastest repeat of that
  double find_ms = 0;      // looking for the object in its mask; the loader knows where it is, and saves this
  double contours_ms = 0;  // contours and mass centres
  double rays_ms = 0;      // assignment and rays
  double dense_ms = 0;     // targets of all locations, as tensors have them
  int objects = 0;
  int positives = 0;
  int contour_points = 0;  // of all objects
  int64_t locations = 0;
  double ray_sum = 0;  // of all rays, to compare with another program's
};

/// Times the labels of 7 seeded blob-like objects of varied size in an image of 800x1333 padded to 896x1408, about 70
/// positive locations, the case on which the reference's loader was measured (67 ms; specification section 15).
BenchLabels bench_labels(const BenchLabelsOptions& options = {});

}  // namespace az::cli
