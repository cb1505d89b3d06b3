// SiamMask as a tracker: from a region in one frame to the object's box, rotated box and mask in the next ones.
#pragma once

#include <memory>
#include <vector>

#include "cpu/contour.h"
#include "cpu/rotated_rect.h"
#include "data/image.h"
#include "models/siammask/search_step.h"

namespace az::models {

/// What became of an object in a frame.
struct SiamTracked {
  SiamState state;   ///< centre and size behind the frame, within it
  double score = 0;  ///< of the best candidate, 0 to 1, without penalty and window
  int anchor = 0, row = 0, column = 0;
  /// The smallest rectangle around the mask, or, where the mask is too small or there is none, the upright box.
  Corners corners{};
  bool from_mask = false;
  double mask_area = 0;  ///< of the largest part's contour, px^2
};

/// A mask's rectangle, in the same memory for every frame.
class SiamOutline {
 public:
  /// Pastes the logits [side, side], takes the pixels above `threshold` and the rectangle around their largest part,
  /// unless its contour's area is at most 100 px^2. Returns whether there is a rectangle.
  bool find(const float* logits, int side, const cpu::MaskPlace& place, double threshold, int width, int height);
  /// The rectangle of a mask that is there already. [height, width], not 0 on the object, within `bounds`.
  bool find(const cpu::MaskView& mask, const cpu::Rect& bounds);

  const cpu::PastedMask& mask() const { return mask_; }
  const Corners& corners() const { return corners_; }
  double area() const { return area_; }

 private:
  cpu::MaskPaster paster_;
  cpu::PastedMask mask_;
  std::vector<uint8_t> over_;
  cpu::ContourFinder contours_;
  cpu::RectFinder rects_;
  Corners corners_{};
  double area_ = 0;
};

/// Tracks one object, or several side by side, each with its own template, state and options: several objects of a
/// picture, or one object under several options. All frames of a tracker have one size. Not for several threads at
/// once.
class SiamTracker {
 public:
  /// The network is shared, and stays as it is while the tracker lives. One lane an entry of `lanes`.
  /// Error: no lane, an option out of its range, anchors that are not the network's.
  SiamTracker(SiamMask& network, std::vector<SiamTrackOptions> lanes, Device& device, const SiamStepOptions& how = {});
  ~SiamTracker();

  /// Begins, or begins anew, with what the box holds. The first start of all gives the frames' size.
  /// Errors: a box that is not finite, without area or outside the frame; a frame of another size.
  void start(size_t lane, const data::Image& frame, const cpu::InitialBox& box);
  /// Stops every lane; the next start gives the frames' size anew.
  void reset();
  /// The lane tracks nothing until it is started again.
  void stop(size_t lane);
  bool running(size_t lane) const;

  /// Finds every running lane's object in the frame.
  /// Errors: a frame of another size; a network whose outputs are not numbers.
  void track(const data::Image& frame);
  /// Of the last frame tracked. Error: nothing was.
  const SiamTracked& result(size_t lane) const;
  /// Its mask's probabilities; empty for the box variant.
  const cpu::PastedMask& mask(size_t lane) const;

  SiamSearchStep& step() { return step_; }
  size_t lanes() const { return lanes_.size(); }

 private:
  struct Lane;
  void check_frame(const data::Image& frame);
  void look(Lane& lane, size_t index, const data::Image& frame);
  void update(Lane& lane, size_t index, const data::Image& frame);

  SiamStepOptions how_;
  SiamSearchStep step_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  int width_ = 0, height_ = 0;
};

}  // namespace az::models
