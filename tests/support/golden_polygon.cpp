#include "tests/support/golden_polygon.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace az::golden {
namespace {

using Corner = std::array<double, 2>;

double signed_area(const Polygon& polygon) {
  double sum = 0;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Corner &a = polygon[i], &b = polygon[(i + 1) % polygon.size()];
    sum += a[0] * b[1] - a[1] * b[0];
  }
  return sum / 2;
}

/// Positive where p lies inside the edge from a to b of a polygon with a positive area.
double side_of(const Corner& a, const Corner& b, const Corner& p) {
  return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
}

/// What of `polygon` lies inside the edge.
Polygon clip(const Polygon& polygon, const Corner& a, const Corner& b) {
  Polygon kept;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Corner &p = polygon[i], &q = polygon[(i + 1) % polygon.size()];
    const double sp = side_of(a, b, p), sq = side_of(a, b, q);
    if (sp >= 0) kept.push_back(p);
    if ((sp > 0 && sq < 0) || (sp < 0 && sq > 0)) {
      const double t = sp / (sp - sq);
      kept.push_back({p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])});
    }
  }
  return kept;
}

double furthest_corner(const Polygon& own, const Polygon& expected) {
  double worst = 0;
  for (const Corner& p : expected) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const Corner& q : own) nearest = std::min(nearest, std::hypot(p[0] - q[0], p[1] - q[1]));
    worst = std::max(worst, nearest);
  }
  return worst;
}

const nlohmann::json& at_path(const nlohmann::json& json, const std::string& path) {
  const size_t dot = path.find('.');
  const std::string key = path.substr(0, dot);
  const nlohmann::json& next = json.is_array() ? json.at(std::stoul(key)) : json.at(key);
  return dot == std::string::npos ? next : at_path(next, path.substr(dot + 1));
}

}  // namespace

double polygon_area(const Polygon& polygon) { return std::abs(signed_area(polygon)); }

double polygon_iou(const Polygon& a, const Polygon& b) {
  Polygon common = a, around = b;
  if (signed_area(around) < 0) std::ranges::reverse(around);
  for (size_t i = 0; i < around.size(); ++i) common = clip(common, around[i], around[(i + 1) % around.size()]);
  const double both = polygon_area(common);
  return both / (polygon_area(a) + polygon_area(b) - both);
}

void check_polygon(Case& c, const std::string& path, const Polygon& own, bool end_to_end) {
  const std::string name = "@" + path;
  c.mark_checked(name);
  const Rule rule = c.rule(name);
  if (rule.informative) return;
  const auto expected = at_path(c.json(), path).get<Polygon>();
  AZ_CHECK(rule.polygon_iou_min && (!end_to_end || rule.polygon_iou_min_end_to_end),
           "golden: the tolerance of {} has no polygon_iou_min", name);
  const double least = end_to_end ? *rule.polygon_iou_min_end_to_end : *rule.polygon_iou_min;
  const double iou = polygon_iou(own, expected), want = polygon_area(expected);
  const double area_off = std::abs(polygon_area(own) - want) / want;
  if (iou < least && rule.tie_rtol && area_off <= *rule.tie_rtol)
    return c.report().add(area_off / *rule.tie_rtol, name);
  c.report().add((1 - iou) / (1 - least), name + " (IoU)");
  if (rule.corner_max && !end_to_end)
    c.report().add(furthest_corner(own, expected) / *rule.corner_max, name + " (corners)");
}

}  // namespace az::golden
