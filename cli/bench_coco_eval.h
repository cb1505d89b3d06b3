// The time of COCO evaluation on a made-up set.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace az::cli {

struct CocoEvalBenchOptions {
  int images = 500;
  int detections = 100;  // a picture
  bool masks = true;     // false: boxes
  int threads = 0;       // 0: all
  int runs = 5;
  uint64_t seed = 1;
  std::string out{};   // where to leave annotations.json and results.json, for another program; empty: nowhere
  std::string from{};  // a folder where such files lie, to be timed instead of a made-up set
};

struct CocoEvalBench {
  double read_ms = 0;      // reading the result file, median
  double evaluate_ms = 0;  // matching, curves and figures, median
  double total_ms = 0;     // both
  double peak_rss_mb = 0;  // of the process
  std::array<double, 12> stats = {};
};

/// 480x640 pictures with about 8 objects of 80 categories, outlined by polygons, and detections that are those objects
/// moved and deformed, masks as compressed runs. The files are written, then read and scored.
/// bench/peers/coco_eval_peer.py times pycocotools on the same files.
CocoEvalBench bench_coco_eval(const CocoEvalBenchOptions& options);

}  // namespace az::cli
