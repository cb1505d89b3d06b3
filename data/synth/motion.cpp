#include "data/synth/motion.h"

#include <algorithm>
#include <cmath>

#include "data/synth/portable_math.h"

namespace az::data::synth {
namespace {

Point direction(double turn) {
  return {static_cast<double>(cos_turns(static_cast<float>(turn))),
          static_cast<double>(sin_turns(static_cast<float>(turn)))};
}

/// A number that follows an aim; a new aim is drawn from [low, high) now and then.
class Follower {
 public:
  Follower(double value, double low, double high, double rate, double change)
      : value_(value), aim_(value), low_(low), high_(high), rate_(rate), change_(change) {}
  double step(Rng& rng) {
    if (rng.chance(change_)) aim_ = rng.uniform(low_, high_);
    return value_ += rate_ * (aim_ - value_);
  }

 private:
  double value_, aim_, low_, high_, rate_, change_;
};

/// Where an object goes, step by step.
class Walker {
 public:
  Walker(const PathOptions& options, Rng& rng) : options_(options) {
    at_ = {options.width * rng.uniform(0.2, 0.8), options.height * rng.uniform(0.2, 0.8)};
    aim(log_uniform(rng, 0.015, 0.12), rng);
    velocity_ = aim_;
  }

  bool step(double size_px, bool leaving, Rng& rng) {
    const bool jerk = !leaving && rng.chance(options_.jerks);
    if (jerk) {
      aim(rng.uniform(0.12, 0.3), rng);
      velocity_ = aim_;
      slow_down_ = 6;
    } else if (!leaving && (slow_down_ == 0 || rng.chance(1.0 / 35))) {
      aim(log_uniform(rng, 0.015, 0.12), rng);
      slow_down_ = -1;
    }
    if (slow_down_ > 0) --slow_down_;
    if (leaving) {
      leave();
    } else {
      turn_back(at_.x, options_.width, velocity_.x, aim_.x);
      turn_back(at_.y, options_.height, velocity_.y, aim_.y);
    }
    velocity_.x += 0.2 * (aim_.x - velocity_.x);
    velocity_.y += 0.2 * (aim_.y - velocity_.y);
    at_.x += velocity_.x * size_px;
    at_.y += velocity_.y * size_px;
    return jerk;
  }
  Point at() const { return at_; }

 private:
  void aim(double speed, Rng& rng) {
    const Point to = direction(rng.uniform());
    aim_ = {speed * to.x, speed * to.y};
  }
  static void turn_back(double at, double length, double& velocity, double& aim) {
    const double border = length / 12;
    const double inwards = at < border ? 1 : at > length - border ? -1 : 0;
    if (inwards == 0) return;
    velocity = inwards * std::fabs(velocity);
    aim = inwards * std::max(std::fabs(aim), 0.02);
  }
  /// Straight to the nearer side.
  void leave() { aim_ = {at_.x < options_.width / 2.0 ? -0.1 : 0.1, 0.3 * aim_.y}; }

  const PathOptions& options_;
  Point at_, aim_, velocity_;  // the latter two in sizes a step
  int slow_down_ = -1;         // steps until the end of a spurt
};

}  // namespace

std::vector<ObjectState> draw_path(const PathOptions& options, Rng& rng) {
  Walker walker(options, rng);
  const double start_turn = 0.08 * normal12(rng);
  Follower spin(0, -0.012, 0.012, 0.1, 1.0 / 40);
  Follower size(0, -0.5, 0.53, 0.04, 1.0 / 35);  // of the logarithm: 0.6 to 1.7
  Follower stretch(0, -0.28, 0.28, 0.05, 1.0 / 30);
  const double wave_rate = rng.uniform(0.01, 0.05);
  const int steps = options.frames * options.stride;
  const bool enters = options.leaves && rng.chance(0.5);
  const double leave_at = rng.uniform(0.35, 0.75) * steps;
  std::vector<ObjectState> path;
  ObjectState state;
  state.turn = start_turn;
  state.wave = rng.uniform();
  for (int t = 0; t < steps; ++t) {
    state.size_px = options.size_px * portable_exp(size.step(rng));
    state.stretch = portable_exp(stretch.step(rng));
    state.jerk =
        walker.step(state.size_px, options.leaves && t > leave_at, rng) || (state.jerk && t % options.stride != 0);
    state.centre = walker.at();
    state.turn += spin.step(rng);
    state.wave += wave_rate;
    if (t % options.stride == options.stride - 1) path.push_back(state);
  }
  if (enters) std::reverse(path.begin(), path.end());
  return path;
}

std::vector<ObjectState> draw_crossing(const PathOptions& options, Point where, int when, double speed_px, Rng& rng) {
  const Point to = direction(rng.uniform());
  const double turn = rng.uniform(), spin = rng.uniform(-0.004, 0.004);
  const double stretch = rng.uniform(0.8, 1.25);
  std::vector<ObjectState> path;
  for (int f = 0; f < options.frames; ++f) {
    const double far = speed_px * options.stride * (f - when);
    ObjectState state;
    state.centre = {where.x + far * to.x, where.y + far * to.y};
    state.turn = turn + spin * options.stride * f;
    state.size_px = options.size_px;
    state.stretch = stretch;
    path.push_back(state);
  }
  return path;
}

std::vector<ViewState> draw_view(const ViewOptions& options, Rng& rng) {
  Follower x(rng.uniform(-0.1, 0.1), -0.19, 0.19, 0.03, 1.0 / 30),
      y(rng.uniform(-0.1, 0.1), -0.19, 0.19, 0.03, 1.0 / 30);
  Follower turn(0, -0.008, 0.008, 0.03, 1.0 / 40), zoom(1, 0.9, 1.1, 0.03, 1.0 / 40);
  Follower gain(1, 0.6, 1.4, 0.12, 1.0 / 30);
  std::vector<ViewState> views;
  ViewState view{{x.step(rng), y.step(rng)}};
  for (int t = 0; t < options.frames * options.stride; ++t) {
    if (options.moves) view = {{x.step(rng), y.step(rng)}, turn.step(rng), zoom.step(rng), view.gain};
    if (options.brightens) view.gain = gain.step(rng);
    if (t % options.stride != options.stride - 1) continue;
    ViewState seen = view;
    if (options.shakes) {
      seen.centre.x = std::clamp(seen.centre.x + options.shake_px * normal12(rng), -0.2, 0.2);
      seen.centre.y = std::clamp(seen.centre.y + options.shake_px * normal12(rng), -0.2, 0.2);
    }
    views.push_back(seen);
  }
  return views;
}

}  // namespace az::data::synth
