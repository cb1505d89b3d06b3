#include "models/polarmask/postprocess.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cpu/boxes.h"
#include "cpu/parallel.h"
#include "cpu/polygon_fill.h"
#include "math/polar_detect.h"
#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::models::polarmask {
namespace {

/// The largest of a location's class logits; NaN counts for nothing. Sixteen maxima side by side make vector code.
AZ_SIMD float largest(const float* logits, size_t count) {
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> best;
  best.fill(-std::numeric_limits<float>::infinity());
  size_t c = 0;
  for (; c + kLanes <= count; c += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane)
      best[lane] = logits[c + lane] > best[lane] ? logits[c + lane] : best[lane];
  }
  for (; c < count; ++c) best[0] = logits[c] > best[0] ? logits[c] : best[0];
  return *std::ranges::max_element(best);
}

/// The locations that survive nms_pre, of all levels, with what is decoded from them.
struct Candidates {
  std::vector<int64_t> location;
  std::vector<const float*> cls;  // [classes] logits
  std::vector<float> centerness;  // probability
  std::vector<math::Box> box;     // original picture
  std::vector<float> polygon;     // [n, rays, 2], original picture
};

void check(std::span<const LevelOutputs> levels, const PostprocessOptions& options) {
  AZ_CHECK(options.classes > 0 && options.rays >= 3 && options.rays <= 360,
           "postprocess: {} classes and {} rays; want at least 1 and 3 to 360", options.classes, options.rays);
  for (const LevelOutputs& level : levels) {
    AZ_CHECK(level.height > 0 && level.width > 0 && level.stride > 0, "postprocess: level of {}x{} with stride {}",
             level.width, level.height, level.stride);
    const size_t n = static_cast<size_t>(level.height) * static_cast<size_t>(level.width);
    AZ_CHECK(level.cls.size() == n * static_cast<size_t>(options.classes) && level.centerness.size() == n &&
                 (level.box.empty() || level.box.size() == n * 4) &&
                 level.rays.size() == n * static_cast<size_t>(options.rays),
             "postprocess: level of {}x{} has {} class logits, {} centerness logits, {} box distances, {} ray lengths; "
             "want {} classes and {} rays",
             level.width, level.height, level.cls.size(), level.centerness.size(), level.box.size(), level.rays.size(),
             options.classes, options.rays);
  }
}

/// Indices of a level's best locations by max over classes of p * centerness, best first; all, in order, if they are
/// few. The sigmoid rises, so the largest logit gives the largest p.
std::vector<size_t> best_locations(const LevelOutputs& level, size_t classes, int keep) {
  std::vector<size_t> order(level.centerness.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (keep <= 0 || order.size() <= static_cast<size_t>(keep)) return order;
  std::vector<float> rank(order.size());
  for (size_t i = 0; i < rank.size(); ++i)
    rank[i] = math::polar_rank(largest(&level.cls[i * classes], classes), level.centerness[i]);
  const auto better = [&](size_t a, size_t b) { return rank[a] != rank[b] ? rank[a] > rank[b] : a < b; };
  std::nth_element(order.begin(), order.begin() + keep, order.end(), better);
  order.resize(static_cast<size_t>(keep));
  std::ranges::sort(order, better);
  return order;
}

math::Box bounding_box(std::span<const float> polygon) {
  math::Box box{polygon[0], polygon[1], polygon[0], polygon[1]};
  for (size_t k = 0; k < polygon.size(); k += 2) {
    box = {std::min(box.x1, polygon[k]), std::min(box.y1, polygon[k + 1]), std::max(box.x2, polygon[k]),
           std::max(box.y2, polygon[k + 1])};
  }
  return box;
}

/// Appends a location's box and polygon, clamped to the resized picture and scaled to the original one.
class Decoder {
 public:
  Decoder(const ImageGeometry& geometry, const PostprocessOptions& options)
      : frame_(frame_of(geometry)), mask_nms_(options.mask_nms) {
    for (int k = 0; k < options.rays; ++k) directions_.push_back(math::ray_direction(k, options.rays));
  }

  void append(const LevelOutputs& level, size_t i, Candidates& out) const {
    const int column = static_cast<int>(i) % level.width, row = static_cast<int>(i) / level.width;
    const float x = math::cell_centre(column, level.stride), y = math::cell_centre(row, level.stride);
    const size_t begin = out.polygon.size();
    const float* lengths = &level.rays[i * directions_.size()];
    for (size_t k = 0; k < directions_.size(); ++k) {
      const math::Direction vertex = math::polar_vertex(x, y, lengths[k], directions_[k], frame_);
      out.polygon.insert(out.polygon.end(), {vertex.x, vertex.y});
    }
    if (mask_nms_ || level.box.empty())
      out.box.push_back(bounding_box(std::span(out.polygon).subspan(begin)));
    else
      out.box.push_back(math::polar_box(x, y, &level.box[i * 4], frame_));
  }

 private:
  math::PolarFrame frame_;
  bool mask_nms_;
  std::vector<math::Direction> directions_;
};

Candidates select(std::span<const LevelOutputs> levels, const ImageGeometry& geometry,
                  const PostprocessOptions& options) {
  const Decoder decoder(geometry, options);
  const float hopeless = hopeless_logit(options.score_threshold);
  const size_t classes = static_cast<size_t>(options.classes);
  Candidates out;
  int64_t first = 0;
  for (const LevelOutputs& level : levels) {
    for (const size_t i : best_locations(level, classes, options.nms_pre)) {
      const float* logits = &level.cls[i * classes];
      if (!(largest(logits, classes) > hopeless)) continue;  // nothing of it would be used
      out.location.push_back(first + static_cast<int64_t>(i));
      out.cls.push_back(logits);
      out.centerness.push_back(math::probability(level.centerness[i]));
      decoder.append(level, i, out);
    }
    first += int64_t{level.height} * level.width;
  }
  return out;
}

/// A candidate that is above the threshold for a class and survived that class's suppression.
struct Hit {
  size_t candidate;
  int32_t label;
  float score;
};

/// Greedy suppression inside every class; survivors class by class, in candidate order.
std::vector<Hit> suppress(const Candidates& candidates, const PostprocessOptions& options) {
  const float hopeless = hopeless_logit(options.score_threshold);
  std::vector<std::vector<Hit>> by_class(static_cast<size_t>(options.classes));
  for (size_t i = 0; i < candidates.cls.size(); ++i) {
    for (size_t c = 0; c < by_class.size(); ++c) {
      float p = 0;
      if (!math::counts_as_hit(candidates.cls[i][c], hopeless, options.score_threshold, p)) continue;
      by_class[c].push_back(
          {i, static_cast<int32_t>(c), math::polar_score(p, candidates.centerness[i], options.center_bias)});
    }
  }
  std::vector<Hit> hits;
  std::vector<math::Box> boxes;
  std::vector<float> scores;
  for (const std::vector<Hit>& of_class : by_class) {
    boxes.clear();
    scores.clear();
    for (const Hit& hit : of_class) {
      boxes.push_back(candidates.box[hit.candidate]);
      scores.push_back(hit.score);
    }
    std::vector<int32_t> kept = cpu::nms(boxes, scores, {options.nms_iou, /*plus_one=*/true});
    std::ranges::sort(kept);
    for (const int32_t i : kept) hits.push_back(of_class[static_cast<size_t>(i)]);
  }
  return hits;
}

}  // namespace

float hopeless_logit(float threshold) {
  if (!(threshold > 0.0f)) return -std::numeric_limits<float>::infinity();
  return threshold < 1.0f ? std::log(threshold / (1.0f - threshold)) - 0.01f : 10.0f;
}

math::PolarFrame frame_of(const ImageGeometry& geometry) {
  AZ_CHECK(geometry.input_width > 0 && geometry.input_height > 0 && geometry.width > 0 && geometry.height > 0 &&
               geometry.scale_x > 0 && geometry.scale_y > 0,
           "postprocess: input {}x{}, picture {}x{}, scale {} {}: all must be positive", geometry.input_width,
           geometry.input_height, geometry.width, geometry.height, geometry.scale_x, geometry.scale_y);
  return {static_cast<float>(geometry.input_width - 1), static_cast<float>(geometry.input_height - 1), geometry.scale_x,
          geometry.scale_y};
}

Detections postprocess(std::span<const LevelOutputs> levels, const ImageGeometry& geometry,
                       const PostprocessOptions& options) {
  check(levels, options);
  const Candidates candidates = select(levels, geometry, options);
  std::vector<Hit> hits = suppress(candidates, options);
  const size_t limit = static_cast<size_t>(std::max(options.max_per_image, 0));
  if (hits.size() > limit) {
    std::ranges::stable_sort(hits, std::ranges::greater{}, [](const Hit& hit) { return math::order_key(hit.score); });
    hits.resize(limit);
  }
  Detections out;
  out.rays = options.rays;
  const size_t width = static_cast<size_t>(options.rays) * 2;
  for (const Hit& hit : hits) {
    out.label.push_back(hit.label);
    out.score.push_back(hit.score);
    out.box.push_back(candidates.box[hit.candidate]);
    out.location.push_back(candidates.location[hit.candidate]);
    const auto polygon = std::span(candidates.polygon).subspan(hit.candidate * width, width);
    out.polygon.insert(out.polygon.end(), polygon.begin(), polygon.end());
  }
  return out;
}

std::vector<cpu::Point> integer_vertices(std::span<const float> polygon, bool round) {
  std::vector<cpu::Point> points;
  points.reserve(polygon.size() / 2);
  for (size_t k = 0; k + 1 < polygon.size(); k += 2)
    points.push_back({math::vertex_pixel(polygon[k], round), math::vertex_pixel(polygon[k + 1], round)});
  return points;
}

cpu::Rle polygon_mask(std::span<const float> polygon, const ImageGeometry& geometry, bool round) {
  return cpu::PolygonFill(integer_vertices(polygon, round), geometry.height, geometry.width).to_rle();
}

std::vector<cpu::Rle> polygon_masks(const Detections& found, const ImageGeometry& geometry, bool round) {
  constexpr int64_t kGrain = 4;  // masks worth a thread, some 20 us each
  std::vector<cpu::Rle> masks(found.size());
  cpu::parallel_for(static_cast<int64_t>(masks.size()), kGrain, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      masks[i] = polygon_mask(found.polygon_of(i), geometry, round);
  });
  return masks;
}

cpu::Mask ray_ceiling_mask(const cpu::Mask& mask, int rays, cpu::LabelMode mode, bool round) {
  const cpu::ObjectShape shape = cpu::describe({mask.pixels.data(), mask.height, mask.width, mask.width});
  if (shape.contour.empty()) return {mask.height, mask.width, std::vector<uint8_t>(mask.pixels.size())};
  AZ_CHECK(rays >= 3 && rays <= 360, "ray ceiling: {} rays, want 3 to 360", rays);
  std::vector<float> lengths(static_cast<size_t>(rays));
  cpu::RayCaster(shape.contour).cast(shape.centre.x, shape.centre.y, mode, cpu::kFillMaxRun, lengths);
  std::vector<float> polygon;
  for (int k = 0; k < rays; ++k) {
    const math::Direction u = math::ray_direction(k, rays);
    const float length = lengths[static_cast<size_t>(k)];
    polygon.push_back(
        math::ray_vertex(static_cast<float>(shape.centre.x), length, u.x, static_cast<float>(mask.width - 1)));
    polygon.push_back(
        math::ray_vertex(static_cast<float>(shape.centre.y), length, u.y, static_cast<float>(mask.height - 1)));
  }
  return cpu::PolygonFill(integer_vertices(polygon, round), mask.height, mask.width).to_mask();
}

}  // namespace az::models::polarmask
