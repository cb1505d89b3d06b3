#include "data/synth/background.h"

#include <algorithm>
#include <cmath>

#include "data/synth/portable_math.h"
#include "tensor/simd.h"

namespace az::data::synth {
namespace {

// Two colours that fractal noise mixes.
struct Material {
  Colour low{}, high{};
  double cell_px = 60;
  double flat = 1;  // how many times wider than high its grain is
};

Material draw_material(Rng& rng) {
  // Hue, saturation and value ranges of earth, green, sky and grey.
  struct Range {
    double hue[2], saturation[2], value[2];
  };
  constexpr Range kRanges[4] = {{{18, 48}, {0.15, 0.5}, {0.25, 0.7}},
                                {{70, 140}, {0.15, 0.5}, {0.2, 0.6}},
                                {{190, 225}, {0.12, 0.5}, {0.4, 0.85}},
                                {{0, 360}, {0.01, 0.1}, {0.25, 0.8}}};
  const Range& range = kRanges[rng.integer(0, 3)];
  Material material;
  const double hue = rng.uniform(range.hue[0], range.hue[1]);
  const double saturation = rng.uniform(range.saturation[0], range.saturation[1]);
  const double value = rng.uniform(range.value[0], range.value[1]);
  const double spread = rng.uniform(0.12, 0.32);
  const double turn = rng.uniform(-18, 18);
  material.low = from_hsv(hue, std::min(1.0, saturation * 1.15), std::max(0.08, value - spread));
  material.high = from_hsv(hue + turn, saturation * 0.75, std::min(0.95, value + spread));
  material.cell_px = log_uniform(rng, 28, 130);
  material.flat = rng.chance(0.4) ? rng.uniform(1.5, 4) : 1;
  return material;
}

AZ_SIMD void mix_row(const float* noise, float low, float high, float* __restrict out, int n) {
  for (int i = 0; i < n; ++i) out[i] = mix(low, high, 0.5F + 0.5F * noise[i]);
}

Canvas fill(const Material& material, int width, int height, Rng& rng) {
  const Plane noise =
      fractal_noise(width, height, material.cell_px * material.flat, material.cell_px, 5, rng.uniform(0.55, 0.75), rng);
  Canvas out;
  for (size_t c = 0; c < 3; ++c) {
    out[c] = Plane(width, height);
    for (int y = 0; y < height; ++y) mix_row(noise.row(y), material.low[c], material.high[c], out[c].row(y), width);
  }
  return out;
}

AZ_SIMD void blend_row(float* __restrict out, const float* share, const float* colour, float opacity, int n) {
  for (int i = 0; i < n; ++i) out[i] = mix(out[i], colour[i], share[i] * opacity);
}

AZ_SIMD void blend_row(float* __restrict out, const float* share, float colour, float opacity, int n) {
  for (int i = 0; i < n; ++i) out[i] = mix(out[i], colour, share[i] * opacity);
}

// A second material below a soft, wavy line.
void add_ground(Canvas& canvas, Rng& rng) {
  const int width = canvas[0].width;
  const int height = canvas[0].height;
  const double level = rng.uniform(0.3, 0.75) * height;
  const double slope = rng.uniform(-0.12, 0.12);
  const double wave_px = rng.uniform(2, 22);
  const auto soft_px = static_cast<float>(rng.uniform(1.5, 14));
  const Plane wave = fractal_noise(width, 1, rng.uniform(40, 160), 8, 3, 0.5, rng);
  const Canvas colour = fill(draw_material(rng), width, height, rng);
  Coverage where{{0, 0, width, height}, Plane(width, height)};
  std::vector<float> line(static_cast<size_t>(width));
  for (int x = 0; x < width; ++x)
    line[static_cast<size_t>(x)] =
        static_cast<float>(level + slope * (x - width / 2) + wave_px * static_cast<double>(wave.row(0)[x]));
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      where.share.row(y)[x] = smooth_step(-soft_px, soft_px, static_cast<float>(y) - line[static_cast<size_t>(x)]);
  blend(canvas, where, colour, 1.0F);
}

// A blurred patch of another material, roughly polygonal.
void add_clutter(Canvas& canvas, Rng& rng) {
  const int width = canvas[0].width;
  const int height = canvas[0].height;
  const double x = rng.uniform(0, width);
  const double y = rng.uniform(0, height);
  const double radius = log_uniform(rng, 16, 100);
  const double squeeze = rng.uniform(0.5, 1.6);
  const int64_t corners = rng.integer(4, 9);
  std::vector<Point> outline;
  for (int64_t k = 0; k < corners; ++k) {
    const auto turn =
        static_cast<float>((static_cast<double>(k) + rng.uniform(-0.3, 0.3)) / static_cast<double>(corners));
    const double r = radius * rng.uniform(0.45, 1.1);
    outline.push_back({x + r * squeeze * static_cast<double>(cos_turns(turn)),
                       y + r / squeeze * static_cast<double>(sin_turns(turn))});
  }
  const double sigma = rng.uniform(0.6, 5);
  const auto opacity = static_cast<float>(rng.uniform(0.4, 1));
  const Material material = draw_material(rng);
  Coverage where = rasterise(outline, width, height, static_cast<int>(3 * sigma) + 1);
  if (where.box.width == 0) return;
  blur(where.share, sigma);
  blend(canvas, where, fill(material, where.box.width, where.box.height, rng), opacity);
}

AZ_SIMD void light_row(float* __restrict row, float start, float step, int n) {
  for (int i = 0; i < n; ++i) row[i] *= start + step * static_cast<float>(i);
}

// value * scale(x, y) * gain + offset, with a vignette that falls with the squared distance from the middle.
AZ_SIMD void expose_row(float* __restrict row, float y2, float vignette, float contrast, float brightness, int n) {
  const float to_unit = 2.0F / static_cast<float>(n);
  for (int i = 0; i < n; ++i) {
    const float x = static_cast<float>(i) * to_unit - 1.0F;
    const float seen = row[i] * (1.0F - vignette * 0.5F * (x * x + y2));
    row[i] = (seen - 118.0F) * contrast + 118.0F + brightness;
  }
}

// Grey noise of variance 1, four pixels a counter: the sum of a word's four bytes is close to normal.
AZ_SIMD void grain_row(float* __restrict out, uint32_t row, uint32_t key_a, uint32_t key_b, int n) {
  constexpr float kScale = 1.0F / 147.8F;  // 4 (256^2 - 1) / 12 = 147.8^2
  for (int i = 0; i < n; i += 4) {
    const auto words = philox({static_cast<uint32_t>(i), row, 0, 0}, {key_a, key_b});
    for (int k = 0; k < 4 && i + k < n; ++k) {
      const uint32_t w = words[static_cast<size_t>(k)];
      const uint32_t sum = (w & 255U) + ((w >> 8) & 255U) + ((w >> 16) & 255U) + (w >> 24);
      out[i + k] = (static_cast<float>(static_cast<int>(sum)) - 510.0F) * kScale;
    }
  }
}

AZ_SIMD void quantise_row(const float* r, const float* g, const float* b, const float* grain, float sigma,
                          uint8_t* __restrict out, int n) {
  for (int i = 0; i < n; ++i) {
    const float noise = sigma * grain[i] + 0.5F;
    out[3 * i] = static_cast<uint8_t>(static_cast<int>(std::min(std::max(r[i] + noise, 0.0F), 255.0F)));
    out[3 * i + 1] = static_cast<uint8_t>(static_cast<int>(std::min(std::max(g[i] + noise, 0.0F), 255.0F)));
    out[3 * i + 2] = static_cast<uint8_t>(static_cast<int>(std::min(std::max(b[i] + noise, 0.0F), 255.0F)));
  }
}

}  // namespace

void blend(Canvas& canvas, const Coverage& where, const Canvas& colour, float opacity) {
  for (size_t c = 0; c < 3; ++c)
    for (int y = 0; y < where.box.height; ++y)
      blend_row(canvas[c].row(where.box.y + y) + where.box.x, where.share.row(y), colour[c].row(y), opacity,
                where.box.width);
}

void blend(Canvas& canvas, const Coverage& where, const Colour& colour, float opacity) {
  for (size_t c = 0; c < 3; ++c)
    for (int y = 0; y < where.box.height; ++y)
      blend_row(canvas[c].row(where.box.y + y) + where.box.x, where.share.row(y), colour[c], opacity, where.box.width);
}

Canvas draw_background(int width, int height, Rng& rng) {
  Canvas canvas = fill(draw_material(rng), width, height, rng);
  if (rng.chance(0.65)) add_ground(canvas, rng);
  const int64_t patches = rng.integer(2, 7);
  for (int64_t k = 0; k < patches; ++k) add_clutter(canvas, rng);
  const auto side = static_cast<float>(rng.uniform());
  const auto strength = static_cast<float>(rng.uniform(0, 0.25));
  const float dx = 2.0F * strength * cos_turns(side) / static_cast<float>(width);
  const float dy = 2.0F * strength * sin_turns(side) / static_cast<float>(height);
  const double sigma = rng.uniform(0.4, 1.6);
  for (Plane& plane : canvas) {
    for (int y = 0; y < height; ++y) {
      const float start = 1.0F - dx * 0.5F * static_cast<float>(width) +
                          dy * (static_cast<float>(y) - 0.5F * static_cast<float>(height));
      light_row(plane.row(y), start, dx, width);
    }
    blur(plane, sigma);
  }
  return canvas;
}

void cast_shadow(Canvas& canvas, std::vector<Point> outline, Point offset, double sigma, float opacity) {
  for (Point& p : outline) {
    p.x += offset.x;
    p.y += offset.y;
  }
  Coverage cover = rasterise(outline, canvas[0].width, canvas[0].height, static_cast<int>(2.6 * sigma) + 1);
  blur(cover.share, sigma);
  blend(canvas, cover, Colour{8, 8, 12}, opacity);
}

Camera draw_camera(Rng& rng) {
  Camera camera;
  camera.blur_px = rng.uniform(0.3, 0.8);
  camera.vignette = static_cast<float>(rng.uniform(0, 0.2));
  camera.contrast = static_cast<float>(rng.uniform(0.85, 1.15));
  camera.brightness = static_cast<float>(rng.uniform(-12, 12));
  camera.noise = static_cast<float>(rng.uniform(1.5, 6));
  camera.grain[0] = rng.next_u32();
  camera.grain[1] = rng.next_u32();
  return camera;
}

Image photograph(Canvas& canvas, const Camera& camera) {
  const int width = canvas[0].width;
  const int height = canvas[0].height;
  Image image;
  image.width = width;
  image.height = height;
  image.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  for (Plane& plane : canvas) {
    blur(plane, camera.blur_px);
    for (int y = 0; y < height; ++y) {
      const float from_middle = 2.0F * static_cast<float>(y) / static_cast<float>(height) - 1.0F;
      expose_row(plane.row(y), from_middle * from_middle, camera.vignette, camera.contrast, camera.brightness, width);
    }
  }
  std::vector<float> grain(static_cast<size_t>(width));
  for (int y = 0; y < height; ++y) {
    grain_row(grain.data(), static_cast<uint32_t>(y), camera.grain[0], camera.grain[1], width);
    quantise_row(canvas[0].row(y), canvas[1].row(y), canvas[2].row(y), grain.data(), camera.noise, image.at(0, y),
                 width);
  }
  return image;
}

}  // namespace az::data::synth
