#include "data/synth/scene.h"

#include <algorithm>
#include <cmath>

#include "data/synth/background.h"
#include "data/synth/mask_shape.h"
#include "data/synth/portable_math.h"
#include "data/synth/texture.h"
#include "tensor/error.h"

namespace az::data::synth {
namespace {

constexpr int kNothing = -1;  // owner of a pixel of the background
constexpr int kBar = -2;      // owner of a pixel of a bar
constexpr int kTries = 14;
constexpr int kShrinkAfter = 9;

struct Placed {
  Shape shape;
  Pose pose;
  double size_px = 0;
  Coverage cover;
  int64_t whole_area = 0;
};

struct Stage {
  int width = 0;
  int height = 0;
  Canvas canvas;
  std::vector<int> owner;  // [height, width]: index of the object that shows there
  std::vector<Placed> placed;

  int* row(int y) { return owner.data() + static_cast<size_t>(y) * static_cast<size_t>(width); }
};

// A third of the sizes for each of COCO's area ranges, less what overlaps and borders will take from them.
double draw_size(Rng& rng) {
  const double range = rng.uniform();
  if (range < 0.30) return rng.uniform(17, 31);
  if (range < 0.67) return log_uniform(rng, 36, 92);
  return log_uniform(rng, 104, 175);
}

Point draw_centre(const Stage& stage, double size_px, bool beside, Rng& rng) {
  if (beside && !stage.placed.empty()) {
    const Placed& other =
        stage.placed[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(stage.placed.size()) - 1))];
    const double far = rng.uniform(0.35, 1) * (size_px + other.size_px) / 2;
    const auto turn = static_cast<float>(rng.uniform());
    return {other.pose.centre.x + far * static_cast<double>(cos_turns(turn)),
            other.pose.centre.y + far * static_cast<double>(sin_turns(turn))};
  }
  const double inside = 0.3 * size_px;
  const double x = rng.uniform(inside, stage.width - inside);
  const double y = rng.uniform(inside, stage.height - inside);
  return {x, y};
}

// Whether enough of the new object would be in the picture, and enough of every earlier one stay visible.
bool fits(Stage& stage, const Placed& object) {
  const Coverage& cover = object.cover;
  if (static_cast<double>(object.whole_area) < std::max(170.0, 0.65 * object.size_px * object.size_px)) return false;
  std::vector<int64_t> taken(stage.placed.size(), 0);
  std::vector<int64_t> shown(stage.placed.size(), 0);
  for (int y = 0; y < cover.box.height; ++y) {
    const int* owner = stage.row(cover.box.y + y) + cover.box.x;
    for (int x = 0; x < cover.box.width; ++x)
      if (owner[x] >= 0 && cover.share.row(y)[x] >= 0.5F) ++taken[static_cast<size_t>(owner[x])];
  }
  for (const int owner : stage.owner)
    if (owner >= 0) ++shown[static_cast<size_t>(owner)];
  for (size_t i = 0; i < taken.size(); ++i) {
    const double left = static_cast<double>(shown[i] - taken[i]);
    if (taken[i] > 0 && left < std::max(160.0, 0.6 * static_cast<double>(stage.placed[i].whole_area))) return false;
  }
  return true;
}

void own(Stage& stage, const Coverage& cover, int who) {
  for (int y = 0; y < cover.box.height; ++y) {
    int* owner = stage.row(cover.box.y + y) + cover.box.x;
    for (int x = 0; x < cover.box.width; ++x)
      if (cover.share.row(y)[x] >= 0.5F) owner[x] = who;
  }
}

void add_shadow(Stage& stage, std::vector<Point> outline, double size_px, Rng& rng) {
  const auto turn = static_cast<float>(rng.uniform());
  const double far = size_px * rng.uniform(0.02, 0.07) + 1;
  const double sigma = std::clamp(size_px * rng.uniform(0.02, 0.05), 0.8, 6.0);
  const auto opacity = static_cast<float>(rng.uniform(0.15, 0.45));
  const Point offset{far * static_cast<double>(cos_turns(turn)), far * static_cast<double>(sin_turns(turn))};
  cast_shadow(stage.canvas, std::move(outline), offset, sigma, opacity);
}

void draw_object(Stage& stage, const Placed& object, Rng& rng) {
  add_shadow(stage, place(object.shape, object.pose), object.size_px, rng);
  const Box& box = object.cover.box;
  const Skin skin = draw_skin(object.shape.kind, rng);
  const double cell_px = object.size_px * 0.35;
  const Plane coarse = fractal_noise(box.width, box.height, cell_px, cell_px, 2, 0.5, rng);
  const Plane fine = fractal_noise(box.width, box.height, cell_px / 3, cell_px / 3, 2, 0.7, rng);
  blend(stage.canvas, object.cover, paint(object.shape, skin, object.pose, box, coarse, fine), 1.0F);
}

int64_t covered(const Coverage& cover) {
  return std::count_if(cover.share.values.begin(), cover.share.values.end(), [](float share) { return share >= 0.5F; });
}

void add_object(Stage& stage, double size_px, Rng& rng) {
  Placed object;
  object.shape = draw_shape(static_cast<Kind>(rng.integer(0, kKinds - 1)), rng);
  const bool beside = rng.chance(0.5);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (attempt >= kShrinkAfter) size_px *= 0.93;
    object.size_px = size_px;
    object.pose = draw_pose(object.shape, size_px, rng);
    object.pose.centre = draw_centre(stage, size_px, beside, rng);
    object.cover = rasterise(place(object.shape, object.pose), stage.width, stage.height);
    object.whole_area = covered(object.cover);
    if (!fits(stage, object)) continue;
    draw_object(stage, object, rng);
    own(stage, object.cover, static_cast<int>(stage.placed.size()));
    stage.placed.push_back(std::move(object));
    return;
  }
}

// A pole or wire in front of an object, which may split it.
void add_bar(Stage& stage, const Placed& object, Rng& rng) {
  const double half_width = std::min(rng.uniform(1.2, 5), 0.05 * object.size_px);
  const auto side = static_cast<float>(rng.uniform());
  const double aside = object.size_px * rng.uniform(0.28, 0.46);
  const double x = object.pose.centre.x + aside * static_cast<double>(cos_turns(side));
  const double y = object.pose.centre.y + aside * static_cast<double>(sin_turns(side));
  // Mostly across the way to the centre, so that a piece comes off.
  const auto turn = side + 0.25F + static_cast<float>(rng.uniform(-0.12, 0.12));
  const double dx = static_cast<double>(cos_turns(turn));
  const double dy = static_cast<double>(sin_turns(turn));
  const double ahead = rng.uniform(0.3, 1.5) * object.size_px;
  const double behind = rng.uniform(0.3, 1.5) * object.size_px;
  const Point a{x + ahead * dx, y + ahead * dy};
  const Point b{x - behind * dx, y - behind * dy};
  const std::vector<Point> outline = {{a.x - half_width * dy, a.y + half_width * dx},
                                      {a.x + half_width * dy, a.y - half_width * dx},
                                      {b.x + half_width * dy, b.y - half_width * dx},
                                      {b.x - half_width * dy, b.y + half_width * dx}};
  add_shadow(stage, outline, 8 * half_width, rng);
  const Coverage cover = rasterise(outline, stage.width, stage.height);
  const double value = rng.uniform(0.12, 0.6);
  const double hue = rng.uniform(0, 360);
  const Colour tint = from_hsv(hue, 0.15, value);
  const Plane noise = fractal_noise(cover.box.width, cover.box.height, 12, 12, 3, 0.7, rng);
  Canvas colour;
  for (size_t c = 0; c < 3; ++c) {
    colour[c] = Plane(cover.box.width, cover.box.height);
    for (int py = 0; py < cover.box.height; ++py)
      for (int px = 0; px < cover.box.width; ++px) {
        // Round: light along one edge, dark along the other.
        const double across = (dx * (cover.box.y + py + 0.5 - y) - dy * (cover.box.x + px + 0.5 - x)) / half_width;
        const float round = 1.0F - 0.45F * static_cast<float>(std::clamp(across, -1.0, 1.0));
        colour[c].row(py)[px] = tint[c] * round * (1.0F + 0.3F * noise.row(py)[px]);
      }
  }
  blend(stage.canvas, cover, colour, 1.0F);
  own(stage, cover, kBar);
}

void add_bars(Stage& stage, Rng& rng) {
  std::vector<size_t> wide;
  for (size_t i = 0; i < stage.placed.size(); ++i)
    if (stage.placed[i].size_px > 24) wide.push_back(i);
  if (wide.empty() || !rng.chance(0.3)) return;
  const int64_t bars = rng.integer(1, 3);
  for (int64_t k = 0; k < bars; ++k) {
    const size_t target = wide[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(wide.size()) - 1))];
    add_bar(stage, stage.placed[target], rng);
  }
}

// A mask of the box's size of the pixels that `inside(x, y)` names, in picture coordinates.
template <class Inside>
cpu::Mask mask_of(const Box& box, const Inside& inside) {
  cpu::Mask mask{box.height, box.width, {}};
  mask.pixels.reserve(static_cast<size_t>(box.width) * static_cast<size_t>(box.height));
  for (int y = 0; y < box.height; ++y)
    for (int x = 0; x < box.width; ++x) mask.pixels.push_back(inside(x, y) ? 1 : 0);
  return mask;
}

bool is_concave(const cpu::Mask& mask) { return static_cast<double>(mask_area(mask)) < 0.9 * hull_area(mask); }

SceneObject describe(Stage& stage, int index) {
  const Placed& placed = stage.placed[static_cast<size_t>(index)];
  const Box& box = placed.cover.box;
  SceneObject object;
  object.kind = placed.shape.kind;
  object.whole_area = placed.whole_area;
  object.whole_concave = is_concave(mask_of(box, [&](int x, int y) { return placed.cover.share.row(y)[x] >= 0.5F; }));
  cpu::Mask shown = mask_of(box, [&](int x, int y) { return stage.row(box.y + y)[box.x + x] == index; });
  object.parts = keep_parts(shown, std::max(8.0, 0.015 * static_cast<double>(mask_area(shown))));
  object.area = mask_area(shown);
  object.concave = is_concave(shown);
  object.mask = cpu::Mask{stage.height, stage.width, std::vector<uint8_t>(stage.owner.size(), 0)};
  for (int y = 0; y < box.height; ++y)
    std::copy_n(shown.pixels.begin() + static_cast<ptrdiff_t>(y) * box.width, box.width,
                object.mask.pixels.begin() + static_cast<ptrdiff_t>(box.y + y) * stage.width + box.x);
  return object;
}

Scene try_scene(Rng& rng) {
  Stage stage;
  stage.height = static_cast<int>(8 * rng.integer(40, 46));
  stage.width = static_cast<int>(8 * rng.integer(52, 60));
  stage.owner.assign(static_cast<size_t>(stage.width) * static_cast<size_t>(stage.height), kNothing);
  stage.canvas = draw_background(stage.width, stage.height, rng);
  std::vector<double> sizes(static_cast<size_t>(rng.integer(3, 8)));
  for (double& size : sizes) size = draw_size(rng);
  if (rng.chance(0.8)) std::sort(sizes.begin(), sizes.end(), std::greater<>());
  for (const double size : sizes) add_object(stage, size, rng);
  add_bars(stage, rng);
  Scene scene;
  for (int i = 0; i < static_cast<int>(stage.placed.size()); ++i) {
    SceneObject object = describe(stage, i);
    if (object.area >= 100) scene.objects.push_back(std::move(object));
  }
  scene.image = photograph(stage.canvas, draw_camera(rng));
  scene.jpeg_quality = static_cast<int>(rng.integer(80, 95));
  return scene;
}

}  // namespace

Scene draw_scene(uint64_t seed, uint64_t picture) {
  for (uint64_t attempt = 0; attempt < 100; ++attempt) {
    Rng rng(seed, Purpose::synth, picture, attempt);
    Scene scene = try_scene(rng);
    if (scene.objects.size() >= 3) return scene;
  }
  fail("synth: picture {} of seed {} has fewer than 3 objects after 100 tries", picture, seed);
}

}  // namespace az::data::synth
