#include "cpu/rays.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "math/polar.h"
#include "tensor/error.h"
#include "tensor/simd.h"

namespace az::cpu {
namespace {

constexpr int kBlock = 256;       // contour pixels handled at a time
constexpr float kUnsure = 1e-3f;  // degrees; the polynomial below is good to 3e-5
constexpr double kPi = std::numbers::pi;

/// Direction of (dx, dy) in degrees, 0..360, good to 3e-5; arctangent by Abramowitz and Stegun 4.4.49.
inline float fast_degrees(float dx, float dy) {
  const float ax = std::fabs(dx), ay = std::fabs(dy);
  const float larger = std::max(std::max(ax, ay), 1e-3f);
  const float z = std::min(ax, ay) / larger;
  const float q = z * z;
  float p = 0.0028662257f;
  p = p * q - 0.0161657367f;
  p = p * q + 0.0429096138f;
  p = p * q - 0.0752896400f;
  p = p * q + 0.1065626393f;
  p = p * q - 0.1420889944f;
  p = p * q + 0.1999355085f;
  p = p * q - 0.3333314528f;
  p = p * q + 1.0f;
  float t = p * z * 57.29577951f;
  t = ax <= ay ? t : 90.0f - t;
  t = dy < 0.0f ? 180.0f - t : t;
  return dx < 0.0f ? 360.0f - t : t;
}

/// Bins, with -1 where the polynomial cannot tell, and squared lengths (exact: whole numbers below 2^24).
AZ_SIMD void bin_block(const float* xs, const float* ys, int count, float x, float y, int32_t* bins, float* squared) {
  for (int i = 0; i < count; ++i) {
    const float dx = xs[i] - x;
    const float dy = ys[i] - y;
    const float t = fast_degrees(dx, dy);
    const int32_t bin = static_cast<int32_t>(t);
    const float part = t - static_cast<float>(bin);
    bins[i] = ((part > kUnsure) & (part < 1.0f - kUnsure)) ? bin : -1;
    squared[i] = dx * dx + dy * dy;
  }
}

AZ_SIMD void degrees_block(const float* xs, const float* ys, int count, float x, float y, float* degrees) {
  for (int i = 0; i < count; ++i) degrees[i] = fast_degrees(xs[i] - x, ys[i] - y);
}

/// Puts straight lines between the found rays on both sides of every gap of at most `longest`; a negative length is
/// a missing ray. Needs at least one found ray.
void interpolate_gaps(std::span<float> rays, size_t longest) {
  const size_t n = rays.size();
  size_t start = 0;
  while (rays[start] < 0) ++start;
  for (size_t left = start, step = 1; left < start + n; left += step) {
    step = 1;
    while (rays[(left + step) % n] < 0) ++step;
    if (step == 1 || step - 1 > longest) continue;
    const float a = rays[left % n];
    const float b = rays[(left + step) % n];
    for (size_t i = 1; i < step; ++i) {
      rays[(left + i) % n] = a + (b - a) * (static_cast<float>(i) / static_cast<float>(step));
    }
  }
}

/// Where the ray along u meets the segment a-b (both relative to the ray's start); negative when it does not.
double crossing(double ux, double uy, double ax, double ay, double bx, double by) {
  const double side_a = ux * ay - uy * ax;
  const double side_b = ux * by - uy * bx;
  const double along_a = ux * ax + uy * ay;
  const double along_b = ux * bx + uy * by;
  if (side_a == side_b) return side_a == 0 ? std::max(along_a, along_b) : -1;
  if ((side_a > 0 && side_b > 0) || (side_a < 0 && side_b < 0)) return -1;
  return along_a + (along_b - along_a) * (side_a / (side_a - side_b));
}

}  // namespace

LabelMode label_mode(std::string_view name) {
  if (name == "compat") return LabelMode::compat;
  if (name == "filled") return LabelMode::filled;
  if (name == "exact") return LabelMode::exact;
  fail("labels = \"{}\": want compat, filled or exact", name);
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
  AZ_CHECK(out.size() >= 3 && out.size() <= 360, "rays: {} rays asked for, want 3 to 360", out.size());
  if (mode == LabelMode::exact) {
    cast_exact(x, y, out);
  } else {
    cast_bins(static_cast<float>(x), static_cast<float>(y), out);
  }
  const size_t found = static_cast<size_t>(std::ranges::count_if(out, [](float d) { return d >= 0; }));
  if (mode == LabelMode::exact && found > 0) interpolate_gaps(out, out.size());
  if (mode == LabelMode::filled && found * 3 >= out.size())
    interpolate_gaps(out, static_cast<size_t>(std::max(fill_max_run, 0)));
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
  const double step = 2.0 * kPi / n;
  std::vector<double> ux(out.size()), uy(out.size());
  for (size_t k = 0; k < out.size(); ++k) {
    ux[k] = std::sin(step * static_cast<double>(k));
    uy[k] = std::cos(step * static_cast<double>(k));
  }
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
    float turn = degrees[i] - degrees[previous];
    turn -= 360.0f * std::round(turn / 360.0f);
    const float low = std::min(degrees[previous], degrees[previous] + turn) - 0.01f;
    const float high = std::max(degrees[previous], degrees[previous] + turn) + 0.01f;
    const int last = static_cast<int>(std::floor(high / per_ray));
    for (int k = static_cast<int>(std::ceil(low / per_ray)); k <= last; ++k) {
      const size_t ray = static_cast<size_t>((k + n) % n);
      const double length = crossing(ux[ray], uy[ray], ax, ay, bx, by);
      if (length > 0) out[ray] = std::max(out[ray], static_cast<float>(length));
    }
  }
}

}  // namespace az::cpu
