// PolarMask's head outputs to ranks, candidates and detections. Formulas: math/polar_detect.h.
#pragma once

#include <cstdint>

#include "cuda/stream.h"
#include "math/polar_detect.h"

namespace az::cuda {

/// One level's outputs.
struct PolarLevel {
  const float* cls;         // [images, count, classes] logits
  const float* centerness;  // [images, count]          logits
  const float* box;   // [images, count, 4]       distances, 16-byte aligned; null on every level without a box branch
  const float* rays;  // [images, count, rays]    lengths
  int first, count;   // locations: of earlier levels, of this one
  int width, stride;
};

/// A batch's outputs. A location is numbered over all levels, row-major in each.
struct PolarMaps {
  static constexpr int kMost = 8;
  PolarLevel level[kMost];
  int levels = 0;
  int images = 1, classes = 1, rays = 36;
  int locations = 0;  // of an image

  AZ_HD const PolarLevel& level_of(int location) const {
    int l = 0;
    while (l + 1 < levels && location >= level[l + 1].first) ++l;
    return level[l];
  }
};

/// The locations of each image that go on, and what is needed to decode them.
struct PolarCandidates {
  const int32_t* location;  // [images, slots]
  int slots;
  const math::PolarFrame* frame;     // [images]
  const math::Direction* direction;  // [rays]
};

struct PolarScoring {
  float hopeless, threshold, bias;  // math::counts_as_hit, math::polar_score
};

/// rank [images, locations] = math::polar_rank of the largest class logit (a NaN counts for nothing).
void polar_rank(Stream& stream, const PolarMaps& maps, float* rank);

/// box [images, slots] of the candidates: from the box distances, or, with from_rays, what the vertices span.
void polar_boxes(Stream& stream, const PolarMaps& maps, const PolarCandidates& candidates, bool from_rays,
                 math::Box* box);

/// key [images, classes, slots] = math::order_key of the score where the class probability counts, else 0.
void polar_keys(Stream& stream, const PolarMaps& maps, const PolarCandidates& candidates, const PolarScoring& scoring,
                uint32_t* key);

/// A detection as 32-bit words: label, location, score, x1, y1, x2, y2, then x and y of each vertex; all but the first
/// two are floats.
constexpr int polar_row_words(int rays) { return 7 + 2 * rays; }
/// Words of an image: the count, then `limit` detections.
constexpr int64_t polar_result_words(int rays, int limit) { return 1 + int64_t{limit} * polar_row_words(rays); }

/// result [images, polar_result_words]: detections `picked` [images, limit, 2] (class, slot), of which each image has
/// `count` [images]; zeros behind the last.
void polar_results(Stream& stream, const PolarMaps& maps, const PolarCandidates& candidates, const math::Box* box,
                   const PolarScoring& scoring, const int32_t* count, const int32_t* picked, int limit,
                   int32_t* result);

}  // namespace az::cuda
