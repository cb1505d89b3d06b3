// Assignment of locations to objects (specification 6.4).
#include "cpu/ray_labels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "math/polar_loss.h"
#include "math/ray_labels.h"
#include "tensor/error.h"

namespace az::cpu {
namespace {

float box_area(const std::array<float, 4>& box) { return math::label_area(box.data()); }

/// Grid indices that may lie in a window; one cell more on both sides: the exact test decides.
struct Cells {
  int first, last;
};

Cells reach(const math::ClaimWindow& window, int stride, int cells) {
  const float s = static_cast<float>(stride);
  const float first = std::clamp(std::floor(window.low / s) - 1.0f, 0.0f, static_cast<float>(cells));
  const float last = std::clamp(std::ceil(window.high / s) + 1.0f, -1.0f, static_cast<float>(cells - 1));
  return {static_cast<int>(first), static_cast<int>(last)};
}

/// Calls visit(location, x, y) for every location of a level that the object may claim.
template <class Visit>
void for_claimed(const LabelObject& object, const LevelGrid& grid, std::pair<float, float> range, float center_radius,
                 const Visit& visit) {
  const float radius = static_cast<float>(grid.stride) * center_radius;
  const auto across =
      math::claim_window(static_cast<float>(object.shape.centre.x), radius, object.box[0], object.box[2]);
  const auto down = math::claim_window(static_cast<float>(object.shape.centre.y), radius, object.box[1], object.box[3]);
  const Cells columns = reach(across, grid.stride, grid.width);
  const Cells rows = reach(down, grid.stride, grid.height);
  for (int i = rows.first; i <= rows.last; ++i) {
    const int y = i * grid.stride + grid.stride / 2;
    if (!down.holds(static_cast<float>(y))) continue;
    for (int j = columns.first; j <= columns.last; ++j) {
      const int x = j * grid.stride + grid.stride / 2;
      if (!across.holds(static_cast<float>(x))) continue;
      const auto sides = math::side_distances(object.box.data(), static_cast<float>(x), static_cast<float>(y));
      if (!sides.within(range.first, range.second)) continue;
      visit(grid.first + int64_t{i} * grid.width + j, x, y);
    }
  }
}

struct Claim {
  int64_t location;
  int32_t object;
  int x, y;
};

/// The winning claims, ascending by location: the object with the smallest box, of equal ones the first.
std::vector<Claim> assign(std::span<const LabelObject> objects, std::span<const LevelGrid> grids,
                          const LabelOptions& options) {
  std::vector<Claim> claims;
  for (size_t o = 0; o < objects.size(); ++o) {
    if (objects[o].shape.contour.empty() || !(box_area(objects[o].box) < math::kNoArea)) continue;
    for (size_t level = 0; level < grids.size(); ++level) {
      for_claimed(objects[o], grids[level], options.ranges[level], options.center_radius,
                  [&](int64_t location, int x, int y) {
                    claims.push_back({location, static_cast<int32_t>(o), x, y});
                  });
    }
  }
  auto area = [&](const Claim& c) { return box_area(objects[static_cast<size_t>(c.object)].box); };
  std::ranges::sort(claims, [&](const Claim& a, const Claim& b) {
    if (a.location != b.location) return a.location < b.location;
    if (area(a) != area(b)) return area(a) < area(b);
    return a.object < b.object;
  });
  const auto same_place = [](const Claim& a, const Claim& b) { return a.location == b.location; };
  claims.erase(std::unique(claims.begin(), claims.end(), same_place), claims.end());
  return claims;
}

void check_options(const LabelOptions& options) {
  AZ_CHECK(options.rays >= 3 && options.rays <= 360, "ray labels: rays = {}, want 3 to 360", options.rays);
  AZ_CHECK(options.strides.size() == options.ranges.size() && !options.strides.empty(),
           "ray labels: {} strides but {} ranges; give one range a level", options.strides.size(),
           options.ranges.size());
}

}  // namespace

std::vector<LevelGrid> level_grids(int padded_height, int padded_width, std::span<const int> strides) {
  std::vector<LevelGrid> grids;
  int64_t first = 0;
  for (const int s : strides) {
    AZ_CHECK(s > 0, "ray labels: stride {} is not positive", s);
    grids.push_back({(padded_height + s - 1) / s, (padded_width + s - 1) / s, s, first});
    first += int64_t{grids.back().height} * grids.back().width;
  }
  return grids;
}

int64_t location_count(std::span<const LevelGrid> grids) {
  return grids.empty() ? 0 : grids.back().first + int64_t{grids.back().height} * grids.back().width;
}

ImageTargets image_targets(std::span<const LabelObject> objects, int padded_height, int padded_width,
                           const LabelOptions& options) {
  check_options(options);
  const std::vector<LevelGrid> grids = level_grids(padded_height, padded_width, options.strides);
  ImageTargets targets;
  targets.locations = location_count(grids);
  targets.rays = options.rays;
  if (options.compat_wipe_when_center_x_zero && !objects.empty() && objects[0].shape.centre.x == 0) return targets;

  const std::vector<Claim> claims = assign(objects, grids, options);
  const size_t rays = static_cast<size_t>(options.rays);
  targets.positives.reserve(claims.size());
  targets.lengths.resize(claims.size() * rays);
  std::vector<std::optional<RayCaster>> casters(objects.size());
  for (size_t i = 0; i < claims.size(); ++i) {
    const Claim& claim = claims[i];
    const LabelObject& object = objects[static_cast<size_t>(claim.object)];
    auto& caster = casters[static_cast<size_t>(claim.object)];
    if (!caster) caster.emplace(object.shape.contour);
    const std::span<float> lengths(&targets.lengths[i * rays], rays);
    caster->cast(claim.x, claim.y, options.mode, options.fill_max_run, lengths);
    const auto sides =
        math::side_distances(object.box.data(), static_cast<float>(claim.x), static_cast<float>(claim.y));
    targets.positives.push_back({claim.location,
                                 claim.object,
                                 object.label,
                                 {sides.left, sides.top, sides.right, sides.bottom},
                                 math::polar_centerness(lengths.data(), options.rays)});
  }
  return targets;
}

void write_targets(const ImageTargets& targets, const TargetSpans& out) {
  const size_t locations = static_cast<size_t>(targets.locations);
  const size_t rays = static_cast<size_t>(targets.rays);
  const auto clear = [&](auto span, size_t width, auto value, const char* name) {
    AZ_CHECK(span.empty() || span.size() == locations * width, "ray labels: room for {} elements of {}, want {} x {}",
             span.size(), name, locations, width);
    std::ranges::fill(span, value);
  };
  clear(out.label, 1, 0, "label");
  clear(out.object, 1, -1, "object");
  clear(out.box, 4, 0.0f, "box");
  clear(out.rays, rays, 0.0f, "rays");
  clear(out.centerness, 1, 0.0f, "centerness");
  for (size_t i = 0; i < targets.positives.size(); ++i) {
    const PositiveLocation& p = targets.positives[i];
    const size_t at = static_cast<size_t>(p.location);
    if (!out.label.empty()) out.label[at] = p.label;
    if (!out.object.empty()) out.object[at] = p.object;
    if (!out.box.empty()) std::ranges::copy(p.box, &out.box[at * 4]);
    if (!out.rays.empty()) std::copy_n(&targets.lengths[i * rays], rays, &out.rays[at * rays]);
    if (!out.centerness.empty()) out.centerness[at] = p.centerness;
  }
}

}  // namespace az::cpu
