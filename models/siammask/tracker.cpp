#include "models/siammask/tracker.h"

#include <cmath>

#include "cpu/parallel.h"
#include "tensor/error.h"

namespace az::models {

struct SiamTracker::Lane {
  SiamTrackOptions options;
  bool running = false, tracked = false;
  SiamState state;
  SiamLook look;
  std::array<uint8_t, 3> mean{};  // of the frame that it started in
  SiamTracked result;
  SiamOutline outline;
  cpu::SquareCropper cropper;
};

bool SiamOutline::find(const cpu::MaskView& mask, const cpu::Rect& bounds) {
  constexpr double kLeastArea = 100;
  const cpu::ObjectShape& shape = contours_.describe(mask, bounds);
  area_ = shape.area;
  if (!(area_ > kLeastArea)) return false;
  corners_ = rects_.smallest(shape.contour).corners;
  return true;
}

bool SiamOutline::find(const float* logits, int side, const cpu::MaskPlace& place, double threshold, int width,
                       int height) {
  paster_.paste(logits, side, place, width, height, mask_);
  cpu::threshold_mask(mask_, static_cast<float>(threshold), over_);
  const cpu::Rect& window = mask_.window;
  if (!find({over_.data(), window.height, window.width, window.width}, {0, 0, window.width, window.height}))
    return false;
  for (auto& [x, y] : corners_) x += window.x, y += window.y;
  return true;
}

SiamTracker::SiamTracker(SiamMask& network, std::vector<SiamTrackOptions> lanes, Device& device,
                         const SiamStepOptions& how)
    : how_(how), step_(network, lanes.size(), device, how) {
  for (const SiamTrackOptions& options : lanes) {
    check_track_options(options);
    lanes_.push_back(std::make_unique<Lane>());
    lanes_.back()->options = options;
  }
}

SiamTracker::~SiamTracker() = default;

void SiamTracker::check_frame(const data::Image& frame) {
  AZ_CHECK(frame.channels == 3 && frame.width > 0 && frame.height > 0,
           "tracker: a frame of {} x {} pixels with {} channels, want RGB", frame.width, frame.height, frame.channels);
  if (width_ == 0) width_ = frame.width, height_ = frame.height;
  AZ_CHECK(frame.width == width_ && frame.height == height_,
           "tracker: a frame of {} x {} pixels after frames of {} x {}; start a new tracker where the size changes",
           frame.width, frame.height, width_, height_);
}

void SiamTracker::start(size_t index, const data::Image& frame, const cpu::InitialBox& box) {
  check_frame(frame);
  Lane& lane = *lanes_.at(index);
  const SiamState state{box.cx, box.cy, box.w, box.h};
  const int side = exemplar_side(state, how_.geometry, frame.width, frame.height);
  const std::array<double, 3> mean = cpu::mean_colour(frame.view());
  for (size_t c = 0; c < 3; ++c) lane.mean[c] = static_cast<uint8_t>(mean[c]);
  lane.cropper.crop(frame.view(), {state.x, state.y, side, how_.geometry.exemplar, lane.mean, lane.options.rounding},
                    step_.exemplar());
  step_.make_template(index);
  lane.state = state;
  lane.running = true;
  lane.tracked = false;
}

void SiamTracker::reset() {
  for (const auto& lane : lanes_) lane->running = false;
  width_ = height_ = 0;
}

void SiamTracker::stop(size_t lane) { lanes_.at(lane)->running = false; }
bool SiamTracker::running(size_t lane) const { return lanes_.at(lane)->running; }

void SiamTracker::look(Lane& lane, size_t index, const data::Image& frame) {
  lane.look = look_around(lane.state, how_.geometry);
  lane.cropper.crop(
      frame.view(),
      {lane.state.x, lane.state.y, lane.look.side, how_.geometry.instance, lane.mean, lane.options.rounding},
      step_.search(index));
  step_.view(index) = view_of(lane.state, lane.look, lane.options);
}

void SiamTracker::update(Lane& lane, size_t index, const data::Image& frame) {
  const math::SiamChoice& choice = step_.choice(index);
  const int cells = how_.geometry.cells(), flat = static_cast<int>(choice.flat), cell = flat % (cells * cells);
  const SiamState state = follow(lane.state, lane.look, choice.best, lane.options.lr);
  SiamTracked& r = lane.result;
  r.score = choice.best.score;
  r.anchor = flat / (cells * cells);
  r.row = cell / cells;
  r.column = cell % cells;
  r.from_mask = step_.mask_side() > 0 && lane.outline.find(step_.logits(index), step_.mask_side(),
                                                           mask_place(lane.look, r.row, r.column, how_.geometry),
                                                           lane.options.seg_thr, frame.width, frame.height);
  r.mask_area = lane.outline.area();
  r.state = lane.state = clamped(state, frame.width, frame.height);
  // The upright box of a mask tracker is the one before clamping, as in the reference.
  r.corners = r.from_mask ? lane.outline.corners() : corners_of(step_.mask_side() > 0 ? state : r.state);
  lane.tracked = true;
}

void SiamTracker::track(const data::Image& frame) {
  check_frame(frame);
  const auto count = static_cast<int64_t>(lanes_.size());
  const auto each_running = [&](const auto& f) {
    cpu::parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
        if (lanes_[i]->running) f(*lanes_[i], i);
    });
  };
  each_running([&](Lane& lane, size_t i) { look(lane, i, frame); });
  step_.run();
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const math::SiamCandidate& best = step_.choice(i).best;
    AZ_CHECK(!lanes_[i]->running || (std::isfinite(best.rank) && std::isfinite(best.x) && std::isfinite(best.y) &&
                                     std::isfinite(best.w) && std::isfinite(best.h)),
             "tracker: the network's outputs are not numbers; are these the weights of a trained network?");
  }
  each_running([&](Lane& lane, size_t i) { update(lane, i, frame); });
}

const SiamTracked& SiamTracker::result(size_t lane) const {
  AZ_CHECK(lanes_.at(lane)->tracked, "tracker: object {} has not been tracked yet", lane);
  return lanes_[lane]->result;
}

const cpu::PastedMask& SiamTracker::mask(size_t lane) const { return lanes_.at(lane)->outline.mask(); }

}  // namespace az::models
