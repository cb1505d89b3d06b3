#include "data/synth/video.h"

#include <algorithm>
#include <cmath>

#include "data/synth/portable_math.h"
#include "tensor/error.h"

namespace az::data::synth {
namespace {

constexpr double kBackground = 1.6;  // of the frame's sides: what a view may reach
constexpr uint64_t kTries = 50;
constexpr int kJerkFrames = 3;

Kind draw_kind(Rng& rng) { return static_cast<Kind>(rng.integer(0, kKinds - 1)); }

int64_t covered(const Coverage& cover) {
  return std::count_if(cover.share.values.begin(), cover.share.values.end(), [](float share) { return share >= 0.5F; });
}

/// Puts an object and its shadow onto a canvas.
void paint_sprite(Canvas& canvas, const Sprite& sprite, const PlacedSprite& placed, const Coverage& cover,
                  Point shadow_px, float opacity) {
  if (cover.box.width == 0) return;
  const double sigma = 0.5 * (std::fabs(shadow_px.x) + std::fabs(shadow_px.y)) + 0.6;
  cast_shadow(canvas, placed.outline, shadow_px, sigma, opacity);
  blend(canvas, cover, colours(sprite, placed.pose, cover.box), 1.0F);
}

}  // namespace

Video::Video(uint64_t seed, uint64_t number, const VideoOptions& options) : options_(options) {
  AZ_CHECK(options.width >= 64 && options.height >= 64 && options.width <= 4096 && options.height <= 4096 &&
               options.frames >= 1 && options.stride >= 1 && options.subjects >= 1 && options.subjects <= 200,
           "synth: a video of {} frames of {} x {} pixels with {} subjects", options.frames, options.width,
           options.height, options.subjects);
  unit_ = std::sqrt(options.width * options.height / (320.0 * 240.0));
  for (uint64_t attempt = 0; attempt < kTries; ++attempt) {
    // Pictures of the COCO set have the steps below 100.
    Rng rng(seed, Purpose::synth, number, 1000 + attempt);
    build(rng);
    // A tracker starts on the first frame: what it is shown there must be seen.
    VideoFrame first;
    label(place_actors(0), first);
    const SubjectTruth& subject = first.subjects[0];
    if (options.leave || static_cast<double>(subject.area) >= 0.75 * static_cast<double>(subject.whole_area)) return;
  }
  fail("synth: video {} of seed {} hides its object in the first frame, {} times over", number, seed, kTries);
}

void Video::build(Rng& rng) {
  actors_.clear();
  add_background(rng);
  add_subjects(rng);
  add_twins(rng);
  add_occluders(rng);
  camera_ = draw_camera(rng);
  jpeg_quality_ = static_cast<int>(rng.integer(85, 95));
}

void Video::add_background(Rng& rng) {
  const int width = static_cast<int>(kBackground * options_.width);
  const int height = static_cast<int>(kBackground * options_.height);
  Canvas canvas = draw_background(width, height, rng);
  const int64_t things = rng.integer(1, 5);
  for (int64_t i = 0; i < things; ++i) {
    const double size_px = unit_ * log_uniform(rng, 20, 80);
    const Sprite sprite = draw_sprite(draw_kind(rng), size_px, rng);
    ObjectState state;
    state.centre.x = rng.uniform(0, width);
    state.centre.y = rng.uniform(0, height);
    state.turn = rng.uniform();
    state.size_px = size_px;
    const PlacedSprite placed = place(sprite, state);
    const Coverage cover = rasterise(placed.outline, width, height);
    paint_sprite(canvas, sprite, placed, cover, {0.05 * size_px, 0.05 * size_px}, 0.3F);
  }
  background_ = to_texture(canvas);
  ViewOptions view{.frames = options_.frames, .stride = options_.stride};
  view.moves = rng.chance(0.5);
  view.shakes = rng.chance(0.4);
  view.brightens = rng.chance(0.3);
  views_ = draw_view(view, rng);
}

PathOptions Video::path_options(double size_px) const {
  return {.width = options_.width,
          .height = options_.height,
          .frames = options_.frames,
          .stride = options_.stride,
          .size_px = size_px};
}

Video::Actor Video::make_actor(Sprite sprite, std::vector<ObjectState> path, Rng& rng) const {
  Actor actor{.sprite = std::move(sprite), .path = std::move(path)};
  actor.shadow.x = rng.uniform(-0.06, 0.06);
  actor.shadow.y = rng.uniform(0.01, 0.06);
  actor.shadow_opacity = static_cast<float>(rng.uniform(0.1, 0.4));
  return actor;
}

void Video::add_subjects(Rng& rng) {
  for (int s = 1; s <= options_.subjects; ++s) {
    const double size_px = unit_ * log_uniform(rng, 26, 62);
    const bool twin = s > 1 && rng.chance(0.4);
    Sprite sprite = twin ? draw_twin(actors_[0].sprite, size_px, rng) : draw_sprite(draw_kind(rng), size_px, rng);
    PathOptions options = path_options(size_px);
    options.jerks = rng.chance(0.5) ? 1.0 / 40 : 0;
    options.leaves = options_.leave && rng.chance(0.25);
    Actor actor = make_actor(std::move(sprite), draw_path(options, rng), rng);
    actor.label = s;
    actors_.push_back(std::move(actor));
  }
}

/// Objects that look like the first subject: below it or above.
void Video::add_twins(Rng& rng) {
  const double many = rng.uniform();
  const int twins = many < 0.35 ? 0 : many < 0.75 ? 1 : 2;
  for (int i = 0; i < twins; ++i) {
    const auto subject = std::ranges::find(actors_, 1, &Actor::label);
    const double size_px = subject->path[0].size_px * rng.uniform(0.8, 1.25);
    Sprite sprite = draw_twin(subject->sprite, size_px, rng);
    Actor twin = make_actor(std::move(sprite), draw_path(path_options(size_px), rng), rng);
    const bool above = rng.chance(0.4);
    actors_.insert(above ? actors_.end() : actors_.begin(), std::move(twin));
  }
}

/// Objects that pass in front of a subject.
void Video::add_occluders(Rng& rng) {
  const int64_t count = rng.chance(0.35) ? 0 : rng.integer(1, 2);
  for (int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<int>(rng.integer(1, options_.subjects));
    const auto subject = std::ranges::find(actors_, label, &Actor::label);
    const int when = static_cast<int>(rng.uniform(0.2, 0.9) * options_.frames);
    const ObjectState& met = subject->path[static_cast<size_t>(when)];
    const double size_px = met.size_px * rng.uniform(0.5, 1.1);
    const double aside = 0.3 * met.size_px, dx = rng.uniform(-aside, aside), dy = rng.uniform(-aside, aside);
    const double speed_px = size_px * rng.uniform(0.04, 0.12);
    Sprite sprite = draw_sprite(draw_kind(rng), size_px, rng);
    std::vector<ObjectState> path =
        draw_crossing(path_options(size_px), {met.centre.x + dx, met.centre.y + dy}, when, speed_px, rng);
    actors_.push_back(make_actor(std::move(sprite), std::move(path), rng));
  }
}

Kind Video::kind(size_t subject) const {
  return std::ranges::find(actors_, static_cast<int>(subject) + 1, &Actor::label)->sprite.shape.kind;
}

std::vector<Video::Placed> Video::place_actors(int index) const {
  std::vector<Placed> all;
  for (const Actor& actor : actors_) {
    Placed& placed = all.emplace_back();
    placed.sprite = place(actor.sprite, actor.path[static_cast<size_t>(index)]);
    placed.cover = rasterise(placed.sprite.outline, options_.width, options_.height);
  }
  return all;
}

void Video::label(const std::vector<Placed>& placed, VideoFrame& frame) const {
  const auto width = static_cast<size_t>(options_.width);
  frame.labels.assign(width * static_cast<size_t>(options_.height), 0);
  frame.subjects.assign(static_cast<size_t>(options_.subjects), {});
  for (size_t k = 0; k < placed.size(); ++k) {
    const Coverage& cover = placed[k].cover;
    const auto own = static_cast<uint8_t>(actors_[k].label);
    for (int y = 0; y < cover.box.height; ++y) {
      uint8_t* const row = frame.labels.data() + static_cast<size_t>(cover.box.y + y) * width + cover.box.x;
      for (int x = 0; x < cover.box.width; ++x)
        if (cover.share.row(y)[x] >= 0.5F) row[x] = own;
    }
    if (own == 0) continue;
    SubjectTruth& truth = frame.subjects[own - 1U];
    truth.whole_area = covered(cover);
    truth.outline = placed[k].sprite.outline;
  }
  for (const uint8_t own : frame.labels)
    if (own > 0) ++frame.subjects[own - 1U].area;
}

cpu::Affine Video::background_map(int index) const {
  const ViewState& view = views_[static_cast<size_t>(index)];
  const auto turn = static_cast<float>(view.turn);
  const double cosine = view.zoom * static_cast<double>(cos_turns(turn));
  const double sine = view.zoom * static_cast<double>(sin_turns(turn));
  const double x = 0.5 - options_.width / 2.0, y = 0.5 - options_.height / 2.0;  // pixel (0, 0) from the middle
  const double middle_x = background_.width / 2.0 + view.centre.x * options_.width - 0.5;
  const double middle_y = background_.height / 2.0 + view.centre.y * options_.height - 0.5;
  return {cosine, -sine, cosine * x - sine * y + middle_x, sine, cosine, sine * x + cosine * y + middle_y};
}

VideoFrame Video::frame(int index) const {
  AZ_CHECK(index >= 0 && index < options_.frames, "synth: frame {} of {}", index, options_.frames);
  const std::vector<Placed> placed = place_actors(index);
  VideoFrame frame;
  label(placed, frame);
  Canvas canvas = sample(background_, background_map(index), {0, 0, options_.width, options_.height});
  for (size_t k = 0; k < placed.size(); ++k) {
    const Actor& actor = actors_[k];
    const double size_px = actor.path[static_cast<size_t>(index)].size_px;
    paint_sprite(canvas, actor.sprite, placed[k].sprite, placed[k].cover,
                 {size_px * actor.shadow.x, size_px * actor.shadow.y}, actor.shadow_opacity);
  }
  const auto gain = static_cast<float>(views_[static_cast<size_t>(index)].gain);
  for (Plane& plane : canvas)
    for (float& value : plane.values) value *= gain;
  Camera camera = camera_;
  camera.grain[1] += static_cast<uint32_t>(index);
  frame.image = photograph(canvas, camera);
  return frame;
}

FrameEvents Video::events(int index) const {
  FrameEvents events;
  const auto& path = std::ranges::find(actors_, 1, &Actor::label)->path;
  for (int i = std::max(0, index - kJerkFrames + 1); i <= index; ++i)
    events.motion_change = events.motion_change || path[static_cast<size_t>(i)].jerk;
  if (index == 0) return events;
  const auto now = static_cast<size_t>(index), before = now - 1;
  const cpu::Affine a = background_map(index - 1), b = background_map(index);
  const double dx = (b[0] - a[0]) * options_.width / 2 + (b[1] - a[1]) * options_.height / 2 + b[2] - a[2];
  const double dy = (b[3] - a[3]) * options_.width / 2 + (b[4] - a[4]) * options_.height / 2 + b[5] - a[5];
  events.camera_motion = dx * dx + dy * dy > unit_ * unit_;
  events.illum_change = std::fabs(views_[now].gain / views_[before].gain - 1) > 0.01;
  events.size_change = std::fabs(path[now].size_px / path[before].size_px - 1) > 0.01;
  return events;
}

}  // namespace az::data::synth
