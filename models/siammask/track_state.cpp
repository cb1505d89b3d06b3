#include "models/siammask/track_state.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace az::models {

void check_track_options(const SiamTrackOptions& o) {
  AZ_CHECK(o.penalty_k >= 0 && std::isfinite(o.penalty_k), "tracker: penalty_k is {}, want 0 or more", o.penalty_k);
  AZ_CHECK(o.window_influence >= 0 && o.window_influence <= 1, "tracker: window_influence is {}, want 0 to 1",
           o.window_influence);
  AZ_CHECK(o.lr >= 0 && o.lr <= 1, "tracker: lr is {}, want 0 to 1", o.lr);
  AZ_CHECK(o.seg_thr >= 0 && o.seg_thr < 1, "tracker: seg_thr is {}, want 0 to 1", o.seg_thr);
  AZ_CHECK(o.out_size >= 0, "tracker: out_size is {}, want 0 or more", o.out_size);
}

int exemplar_side(const SiamState& s, const SiamGeometry& g, int frame_width, int frame_height) {
  AZ_CHECK(std::isfinite(s.x) && std::isfinite(s.y) && std::isfinite(s.w) && std::isfinite(s.h),
           "tracker: the first box, {} x {} around ({}, {}), is not finite", s.w, s.h, s.x, s.y);
  AZ_CHECK(s.w > 0 && s.h > 0, "tracker: the first box, {} x {} around ({}, {}), has no area", s.w, s.h, s.x, s.y);
  AZ_CHECK(s.x + s.w / 2 > 0 && s.y + s.h / 2 > 0 && s.x - s.w / 2 < frame_width && s.y - s.h / 2 < frame_height,
           "tracker: the first box, {} x {} around ({}, {}), lies outside the frame of {} x {}", s.w, s.h, s.x, s.y,
           frame_width, frame_height);
  const double side = std::nearbyint(math::siam_context(s.w, s.h, g.context));
  constexpr double kMost = 1 << 20;
  AZ_CHECK(side >= 1 && side <= kMost, "tracker: the first box is {} x {} pixels; want 1 to 2^20 with its context", s.w,
           s.h);
  return static_cast<int>(side);
}

SiamLook look_around(const SiamState& s, const SiamGeometry& g) {
  const double context = math::siam_context(s.w, s.h, g.context);
  const double side = std::nearbyint(context * g.instance / g.exemplar);
  return {g.exemplar / context, static_cast<int>(side), s.x - side / 2, s.y - side / 2};
}

math::SiamView view_of(const SiamState& s, const SiamLook& look, const SiamTrackOptions& o) {
  return {s.w * look.scale, s.h * look.scale, o.penalty_k, o.window_influence};
}

SiamState follow(const SiamState& s, const SiamLook& look, const math::SiamCandidate& best, double lr) {
  const double rate = best.penalty * best.score * lr;
  return {s.x + best.x / look.scale, s.y + best.y / look.scale, s.w * (1 - rate) + best.w / look.scale * rate,
          s.h * (1 - rate) + best.h / look.scale * rate};
}

SiamState clamped(const SiamState& s, int frame_width, int frame_height) {
  const auto side = [](double v, double most) { return std::max(10.0, std::min(v, most)); };
  return {std::clamp(s.x, 0.0, static_cast<double>(frame_width)),
          std::clamp(s.y, 0.0, static_cast<double>(frame_height)), side(s.w, frame_width), side(s.h, frame_height)};
}

cpu::MaskPlace mask_place(const SiamLook& look, int row, int column, const SiamGeometry& g) {
  const double scale = static_cast<double>(look.side) / g.instance;
  const double middle = g.base_size / 2.0;
  return {look.x + (column - middle) * g.stride * scale, look.y + (row - middle) * g.stride * scale,
          g.exemplar * scale};
}

Corners corners_of(const SiamState& s) {
  const double left = s.x - s.w / 2, top = s.y - s.h / 2;
  return {{{left, top}, {left + s.w, top}, {left + s.w, top + s.h}, {left, top + s.h}}};
}

}  // namespace az::models
