// PolarMask over a whole COCO-format data set.
#pragma once

#include <filesystem>
#include <optional>

#include "eval/coco.h"
#include "models/polarmask/data_options.h"
#include "models/polarmask/detector.h"

namespace az::eval {

/// What a run over a data set gave.
struct PolarRun {
  data::CocoResults results;  ///< masks and boxes, in the order of the pictures
  CocoScores segm, bbox;
  int64_t images = 0;
  double seconds = 0;  ///< reading, network and post-processing
};

struct PolarRunOptions {
  int workers = 2;             ///< threads that read and resize
  std::filesystem::path show;  ///< folder for pictures of truth and predictions; empty: none
  int show_count = 12;         ///< pictures drawn, evenly spread
  double show_score = 0.3;     ///< detections below it are not drawn
  bool progress = true;
};

/// Detects in every picture and scores. Class c of the network is the c-th category of the file.
/// Error: `FILE: what is wrong` of a picture.
PolarRun run_polarmask(models::PolarDetector& detector, const models::PolarMaskConfig& config,
                       const models::PolarDataset& dataset, const PolarRunOptions& options);

}  // namespace az::eval
