// The time of the training loader, stage by stage.
#pragma once

#include <cstdint>
#include <string>

#include "data/polar_samples.h"

namespace az::cli {

struct LoaderBenchOptions {
  std::string coco{};    // annotation file; empty: a made-up set of 640x480 JPEG pictures with 7 objects
  std::string images{};  // folder of its pictures
  int pictures = 64;     // pictures of a round: the first ones, or as many made up
  int rounds = 5;
  int batch = 4;
  int workers = 1;  // threads that each make whole batches
  data::PolarDataOptions data{};
};

struct LoaderBench {
  double ms = 0;                     // a picture on one core, median of the rounds
  double ms_min = 0;                 // the fastest round
  double images_per_s_per_core = 0;  // 1000 / ms
  double images_per_s = 0;           // of all workers together
  data::LoadTimes stages;            // ms a picture on one core, means over the rounds
  int64_t pictures = 0;              // of a round
  double objects = 0;                // learnt, a picture
  double megapixels = 0;             // decoded, a picture
  double file_kb = 0;                // a picture
};

/// Makes batches as training does: decode, flip, resize, normalise, pad, ray labels, collate. Each worker is a plain
/// thread that makes its share of the batches of a round.
LoaderBench bench_loader(const LoaderBenchOptions& options);

}  // namespace az::cli
