#include "data/synth/plane.h"

#include <cmath>
#include <utility>

#include "data/synth/portable_math.h"
#include "tensor/simd.h"

namespace az::data::synth {
namespace {

// Where each pixel of an axis lies in a random grid: first of four grid values and their Catmull-Rom weights.
struct Taps {
  std::vector<int> first;
  std::array<std::vector<float>, 4> weight;
  int grid = 0;
};

Taps make_taps(int count, double cell, double offset) {
  Taps taps;
  const auto n = static_cast<size_t>(count);
  taps.first.resize(n);
  for (auto& w : taps.weight) w.resize(n);
  for (size_t i = 0; i < n; ++i) {
    const double position = static_cast<double>(i) / cell + offset;
    const double whole = std::floor(position);
    const auto t = static_cast<float>(position - whole);
    taps.first[i] = static_cast<int>(whole);
    taps.weight[0][i] = 0.5F * t * ((2.0F - t) * t - 1.0F);
    taps.weight[1][i] = 0.5F * (t * t * (3.0F * t - 5.0F) + 2.0F);
    taps.weight[2][i] = 0.5F * t * ((4.0F - 3.0F * t) * t + 1.0F);
    taps.weight[3][i] = 0.5F * t * t * (t - 1.0F);
  }
  taps.grid = count > 0 ? taps.first.back() + 4 : 0;
  return taps;
}

void stretch_row(const float* grid, const Taps& taps, float* out) {
  for (size_t i = 0; i < taps.first.size(); ++i) {
    const float* g = grid + taps.first[i];
    out[i] = g[0] * taps.weight[0][i] + g[1] * taps.weight[1][i] + g[2] * taps.weight[2][i] + g[3] * taps.weight[3][i];
  }
}

AZ_SIMD void add_rows(float* __restrict out, const float* a, const float* b, const float* c, const float* d,
                      const float* weight, int n) {
  const float wa = weight[0];
  const float wb = weight[1];
  const float wc = weight[2];
  const float wd = weight[3];
  for (int i = 0; i < n; ++i) out[i] += a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd;
}

void add_octave(Plane& plane, double cell_x, double cell_y, float strength, Rng& rng) {
  const double offset_x = rng.uniform();
  const double offset_y = rng.uniform();
  const Taps across = make_taps(plane.width, cell_x, offset_x);
  const Taps down = make_taps(plane.height, cell_y, offset_y);
  std::vector<float> values(static_cast<size_t>(across.grid));
  Plane wide(plane.width, down.grid);
  for (int y = 0; y < down.grid; ++y) {
    for (float& v : values) v = static_cast<float>(rng.uniform(-1, 1));
    stretch_row(values.data(), across, wide.row(y));
  }
  for (int y = 0; y < plane.height; ++y) {
    const auto i = static_cast<size_t>(y);
    const int top = down.first[i];
    const float weight[4] = {strength * down.weight[0][i], strength * down.weight[1][i], strength * down.weight[2][i],
                             strength * down.weight[3][i]};
    add_rows(plane.row(y), wide.row(top), wide.row(top + 1), wide.row(top + 2), wide.row(top + 3), weight, plane.width);
  }
}

std::vector<float> gaussian(double sigma) {
  const int radius = static_cast<int>(std::ceil(2.6 * sigma));
  std::vector<double> weight;
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) {
    weight.push_back(portable_exp(-0.5 * k * k / (sigma * sigma)));
    sum += weight.back();
  }
  std::vector<float> out;
  for (const double w : weight) out.push_back(static_cast<float>(w / sum));
  return out;
}

AZ_SIMD void add_scaled(float* __restrict out, const float* __restrict in, float weight, int n) {
  for (int i = 0; i < n; ++i) out[i] += weight * in[i];
}

}  // namespace

Colour from_hsv(double hue, double saturation, double value) {
  Colour colour{};
  const double sector = (hue / 360 - std::floor(hue / 360)) * 6;
  constexpr double kShift[3] = {5, 3, 1};
  for (size_t c = 0; c < 3; ++c) {
    double k = kShift[c] + sector;
    if (k >= 6) k -= 6;
    const double drop = std::max(0.0, std::min({k, 4 - k, 1.0}));
    colour[c] = static_cast<float>(255 * value * (1 - saturation * drop));
  }
  return colour;
}

Plane fractal_noise(int width, int height, double cell_x, double cell_y, int octaves, double gain, Rng& rng) {
  Plane plane(width, height);
  double total = 0;
  double strength = 1;
  for (int k = 0; k < octaves; ++k, strength *= gain) total += strength;
  strength = 1.4 / total;  // random octaves seldom agree: scaled so that the field does reach about -1 and 1
  for (int k = 0; k < octaves; ++k) {
    add_octave(plane, std::max(cell_x, 1.5), std::max(cell_y, 1.5), static_cast<float>(strength), rng);
    cell_x /= 2;
    cell_y /= 2;
    strength *= gain;
  }
  return plane;
}

void blur(Plane& plane, double sigma) {
  if (sigma < 0.2 || plane.values.empty()) return;
  const std::vector<float> weight = gaussian(sigma);
  const int radius = static_cast<int>(weight.size() / 2);
  const int w = plane.width;
  Plane across(w, plane.height);
  std::vector<float> padded(static_cast<size_t>(w + 2 * radius));
  for (int y = 0; y < plane.height; ++y) {
    const float* in = plane.row(y);
    std::fill_n(padded.begin(), radius, in[0]);
    std::copy_n(in, w, padded.begin() + radius);
    std::fill_n(padded.begin() + radius + w, radius, in[w - 1]);
    for (int k = 0; k <= 2 * radius; ++k)
      add_scaled(across.row(y), padded.data() + k, weight[static_cast<size_t>(k)], w);
  }
  for (int y = 0; y < plane.height; ++y) {
    float* out = plane.row(y);
    std::fill_n(out, w, 0.0F);
    for (int k = -radius; k <= radius; ++k)
      add_scaled(out, across.row(std::clamp(y + k, 0, plane.height - 1)), weight[static_cast<size_t>(k + radius)], w);
  }
}

}  // namespace az::data::synth
