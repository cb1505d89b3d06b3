#include "data/synth/mask_shape.h"

#include <algorithm>
#include <numeric>

#include "data/synth/raster.h"

namespace az::data::synth {
namespace {

// Where row y and column x lie in the pixels.
size_t at(const cpu::Mask& mask, int x, int y) {
  return static_cast<size_t>(y) * static_cast<size_t>(mask.width) + static_cast<size_t>(x);
}

// Fills the part that holds (x, y) with 2 and lists its pixels.
void flood(cpu::Mask& mask, int x, int y, std::vector<std::pair<int, int>>& part) {
  part.assign(1, {x, y});
  mask.pixels[at(mask, x, y)] = 2;
  for (size_t next = 0; next < part.size(); ++next) {
    const auto [px, py] = part[next];
    for (int qy = std::max(py - 1, 0); qy <= std::min(py + 1, mask.height - 1); ++qy)
      for (int qx = std::max(px - 1, 0); qx <= std::min(px + 1, mask.width - 1); ++qx)
        if (mask.pixels[at(mask, qx, qy)] == 1) {
          mask.pixels[at(mask, qx, qy)] = 2;
          part.emplace_back(qx, qy);
        }
  }
}

double cross(Point o, Point a, Point b) { return (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x); }

// Andrew's monotone chain.
std::vector<Point> convex_hull(std::vector<Point> points) {
  std::sort(points.begin(), points.end(), [](Point a, Point b) { return a.x < b.x || (a.x == b.x && a.y < b.y); });
  std::vector<Point> hull;
  for (int side = 0; side < 2; ++side) {
    const size_t floor = hull.size() + 2;
    for (const Point& p : points) {
      while (hull.size() >= floor && cross(hull[hull.size() - 2], hull.back(), p) <= 0) hull.pop_back();
      hull.push_back(p);
    }
    hull.pop_back();
    std::reverse(points.begin(), points.end());
  }
  return hull;
}

}  // namespace

int64_t mask_area(const cpu::Mask& mask) { return std::accumulate(mask.pixels.begin(), mask.pixels.end(), int64_t{0}); }

int keep_parts(cpu::Mask& mask, double least_px) {
  int parts = 0;
  std::vector<std::pair<int, int>> part;
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x) {
      if (mask.pixels[at(mask, x, y)] != 1) continue;
      flood(mask, x, y, part);
      if (static_cast<double>(part.size()) >= least_px)
        ++parts;
      else
        for (const auto& [px, py] : part) mask.pixels[at(mask, px, py)] = 0;
    }
  for (uint8_t& pixel : mask.pixels) pixel = pixel != 0 ? 1 : 0;
  return parts;
}

std::vector<cpu::Mask> mask_parts(const cpu::Mask& mask) {
  std::vector<cpu::Mask> parts;
  cpu::Mask left = mask;
  std::vector<std::pair<int, int>> part;
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x) {
      if (left.pixels[at(mask, x, y)] != 1) continue;
      flood(left, x, y, part);
      cpu::Mask& one =
          parts.emplace_back(cpu::Mask{mask.height, mask.width, std::vector<uint8_t>(mask.pixels.size(), 0)});
      for (const auto& [px, py] : part) one.pixels[at(mask, px, py)] = 1;
    }
  return parts;
}

double hull_area(const cpu::Mask& mask) {
  std::vector<Point> points;
  std::vector<int> top(static_cast<size_t>(mask.width), -1);
  std::vector<int> bottom(static_cast<size_t>(mask.width), -1);
  for (int y = 0; y < mask.height; ++y) {
    int left = -1;
    int right = -1;
    for (int x = 0; x < mask.width; ++x) {
      if (mask.pixels[at(mask, x, y)] == 0) continue;
      if (left < 0) left = x;
      right = x;
      if (top[static_cast<size_t>(x)] < 0) top[static_cast<size_t>(x)] = y;
      bottom[static_cast<size_t>(x)] = y;
    }
    if (left < 0) continue;
    points.push_back({static_cast<double>(left), y + 0.5});
    points.push_back({right + 1.0, y + 0.5});
  }
  for (int x = 0; x < mask.width; ++x) {
    const auto column = static_cast<size_t>(x);
    if (top[column] < 0) continue;
    points.push_back({x + 0.5, static_cast<double>(top[column])});
    points.push_back({x + 0.5, bottom[column] + 1.0});
  }
  return points.empty() ? 0 : signed_area(convex_hull(std::move(points)));
}

}  // namespace az::data::synth
