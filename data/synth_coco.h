// A generated set of pictures in COCO's format, to train and to test on without a download.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "data/synth/outline.h"

namespace az::data {

struct SynthCocoOptions {
  std::filesystem::path out;
  uint64_t seed = 1;
  int train = 2400;
  int val = 200;
  int workers = 0;        ///< threads; 0: one a processor. The files do not depend on it.
  bool polygons = false;  ///< segmentations as polygons; else as compressed run lengths. The masks are the same.
  bool force = false;     ///< write into a folder that is not empty
  std::function<void(int done, int total)> progress{};  ///< called now and then, from one thread at a time
};

/// Counts over one part of a set.
struct SynthStatistics {
  int64_t pictures = 0;
  int64_t objects = 0;
  std::array<int64_t, 3> ranges{};  ///< objects below 32^2 px, below 96^2 px, the rest
  int64_t concave = 0;              ///< visible area below 0.9 of its convex hull
  int64_t whole_concave = 0;        ///< the same of the shape before anything covered it
  int64_t multi_part = 0;           ///< two 8-connected parts or more
  int64_t occluded = 0;             ///< more than 5 % of what lies in the picture covered
  std::array<int64_t, synth::kKinds> kinds{};
  std::array<int64_t, 9> pictures_with{};  ///< by the number of objects in them
};

struct SynthCocoSummary {
  SynthStatistics train, val;
  double seconds = 0;
};

/// Writes OUT/train2017/%012d.jpg, OUT/val2017/%012d.jpg and, last, OUT/annotations/instances_{train,val}2017.json.
/// Picture ids are 1.. for train and 900001.. for val; a picture depends on the seed and its id alone, so a larger set
/// begins with the smaller one. Error: a folder that is not empty without `force`, or a file that cannot be written.
SynthCocoSummary write_synth_coco(const SynthCocoOptions& options);

}  // namespace az::data
