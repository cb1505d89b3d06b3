#include "cpu/rays.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

constexpr size_t kMaxRays = 360;
constexpr int kBlock = 256;  // contour pixels handled at a time

/// Bins, with -1 where the polynomial cannot tell, and squared lengths (exact: whole numbers below 2^24).
AZ_SIMD void bin_block(const float* xs, const float* ys, int count, float x, float y, int32_t* bins, float* squared) {
  for (int i = 0; i < count; ++i) {
    const float dx = xs[i] - x;
    const float dy = ys[i] - y;
    bins[i] = math::fast_angle_bin(dx, dy);
    squared[i] = dx * dx + dy * dy;
  }
}

AZ_SIMD void degrees_block(const float* xs, const float* ys, int count, float x, float y, float* degrees) {
  for (int i = 0; i < count; ++i) degrees[i] = math::fast_degrees(xs[i] - x, ys[i] - y);
}

/// Puts straight lines between the found rays on both sides of every gap of at most `longest`; a negative length is
/// a missing ray. Needs at least one found ray.
void interpolate_gaps(std::span<float> rays, int longest) {
  std::array<float, kMaxRays> found;
  std::ranges::copy(rays, found.begin());
  const int n = static_cast<int>(rays.size());
  for (int k = 0; k < n; ++k) {
    float& ray = rays[static_cast<size_t>(k)];
    if (ray < 0) ray = math::ray_in_gap(found.data(), k, n, longest);
  }
}

}  // namespace

LabelMode label_mode(std::string_view name) {
  if (name == "compat") return LabelMode::compat;
  if (name == "filled") return LabelMode::filled;
  if (name == "exact") return LabelMode::exact;
  fail("labels = \"{}\": want compat, filled or exact", name);
}

std::vector<double> exact_ray_directions(int rays) {
  const double step = 2.0 * std::numbers::pi / rays;
  std::vector<double> u;
  for (int k = 0; k < rays; ++k) {
    u.push_back(std::sin(step * k));
    u.push_back(std::cos(step * k));
  }
  return u;
}

void angle_bins(std::span<const float> xs, std::span<const float> ys, float x, float y, std::span<int32_t> bins,
                std::span<float> squared) {
  bin_block(xs.data(), ys.data(), static_cast<int>(xs.size()), x, y, bins.data(), squared.data());
  for (size_t i = 0; i < xs.size(); ++i) {
    if (bins[i] < 0) bins[i] = math::angle_bin(xs[i] - x, ys[i] - y);
  }
}

RayCaster::RayCaster(std::span<const Point> contour) {
  AZ_CHECK(!contour.empty(), "rays: the contour is empty; leave objects without pixels out");
  xs_.reserve(contour.size());
  ys_.reserve(contour.size());
  for (const Point& p : contour) {
    xs_.push_back(static_cast<float>(p.x));
    ys_.push_back(static_cast<float>(p.y));
  }
}

void RayCaster::cast(int x, int y, LabelMode mode, int fill_max_run, std::span<float> out) const {
  AZ_CHECK(out.size() >= 3 && out.size() <= kMaxRays, "rays: {} rays asked for, want 3 to 360", out.size());
  if (mode == LabelMode::exact) {
    cast_exact(x, y, out);
  } else {
    cast_bins(static_cast<float>(x), static_cast<float>(y), out);
  }
  const size_t found = static_cast<size_t>(std::ranges::count_if(out, [](float d) { return d >= 0; }));
  if (mode == LabelMode::exact && found > 0) interpolate_gaps(out, static_cast<int>(out.size()));
  if (mode == LabelMode::filled && found * 3 >= out.size()) interpolate_gaps(out, std::max(fill_max_run, 0));
  for (float& d : out) d = d < 0 ? math::kMissingRay : d;
}

void RayCaster::cast_bins(float x, float y, std::span<float> out) const {
  std::array<float, math::kAngleBins> farthest;
  farthest.fill(-1.0f);
  std::array<int32_t, kBlock> bins;
  std::array<float, kBlock> squared;
  for (size_t begin = 0; begin < xs_.size(); begin += kBlock) {
    const size_t count = std::min<size_t>(kBlock, xs_.size() - begin);
    angle_bins(std::span(xs_).subspan(begin, count), std::span(ys_).subspan(begin, count), x, y, bins, squared);
    for (size_t i = 0; i < count; ++i) {
      float& best = farthest[static_cast<size_t>(bins[i])];
      best = std::max(best, squared[i]);
    }
  }
  const int n = static_cast<int>(out.size());
  for (int k = 0; k < n; ++k) out[static_cast<size_t>(k)] = math::ray_from_bins(farthest.data(), k, n);
}

void RayCaster::cast_exact(int x, int y, std::span<float> out) const {
  const int n = static_cast<int>(out.size());
  const std::vector<double> u = exact_ray_directions(n);
  std::vector<float> degrees(xs_.size());
  degrees_block(xs_.data(), ys_.data(), static_cast<int>(xs_.size()), static_cast<float>(x), static_cast<float>(y),
                degrees.data());
  std::ranges::fill(out, -1.0f);
  const float per_ray = 360.0f / static_cast<float>(n);
  for (size_t i = 0, previous = xs_.size() - 1; i < xs_.size(); previous = i++) {
    const double ax = xs_[previous] - static_cast<float>(x), ay = ys_[previous] - static_cast<float>(y);
    const double bx = xs_[i] - static_cast<float>(x), by = ys_[i] - static_cast<float>(y);
    // A location on the contour has no direction there; neighbours of it are seen under at most 90 degrees.
    if ((ax == 0 && ay == 0) || (bx == 0 && by == 0)) continue;
    const math::RaySpan span = math::rays_across(degrees[previous], degrees[i], per_ray);
    for (int k = span.first; k <= span.last; ++k) {
      const size_t ray = static_cast<size_t>((k + n) % n);
      const double length = math::ray_crossing(u[2 * ray], u[2 * ray + 1], ax, ay, bx, by);
      if (length > 0) out[ray] = std::max(out[ray], static_cast<float>(length));
    }
  }
}

}  // namespace az::cpu
