// A generated video with what is in it: textured objects that move, turn, grow, bend, leave and cover each other over a
// moving background.
#pragma once

#include <cstdint>
#include <vector>

#include "data/image.h"
#include "data/synth/background.h"
#include "data/synth/sprite.h"

namespace az::data::synth {

struct VideoOptions {
  int width = 320;
  int height = 240;
  int frames = 100;
  int stride = 1;      ///< steps of the motion from one frame to the next
  int subjects = 1;    ///< objects with a truth
  bool leave = false;  ///< a quarter of the subjects walk out of the frame, or into it
};

/// Where a subject is in a frame.
struct SubjectTruth {
  int64_t area = 0;            ///< pixels that show it
  int64_t whole_area = 0;      ///< pixels in the frame if nothing covered it
  std::vector<Point> outline;  ///< all of it, also beyond the frame
};

/// What happens in a frame, against the frame before.
struct FrameEvents {
  bool camera_motion = false;  ///< the background moved by more than a pixel of 320
  bool illum_change = false;   ///< the light changed by more than 1 %
  bool motion_change = false;  ///< the first subject changed its course at once, in this frame or the two before
  bool size_change = false;    ///< the first subject's size changed by more than 1 %
};

struct VideoFrame {
  Image image;
  std::vector<uint8_t> labels;  ///< [height, width]: 0, or 1.. the subject that shows there
  std::vector<SubjectTruth> subjects;
};

/// Video number `number` of the set `seed`: the same bytes whenever and wherever it is drawn. Frames may be drawn in
/// any order and by several threads.
class Video {
 public:
  Video(uint64_t seed, uint64_t number, const VideoOptions& options);

  const VideoOptions& options() const { return options_; }
  Kind kind(size_t subject) const;
  int jpeg_quality() const { return jpeg_quality_; }
  VideoFrame frame(int index) const;
  FrameEvents events(int index) const;

 private:
  struct Actor {
    Sprite sprite;
    std::vector<ObjectState> path;
    int label = 0;   // 0: no subject
    Point shadow{};  // its offset, in sizes
    float shadow_opacity = 0;
  };
  struct Placed {
    PlacedSprite sprite;
    Coverage cover;
  };

  void build(Rng& rng);
  void add_background(Rng& rng);
  void add_subjects(Rng& rng);
  void add_twins(Rng& rng);
  void add_occluders(Rng& rng);
  Actor make_actor(Sprite sprite, std::vector<ObjectState> path, Rng& rng) const;
  PathOptions path_options(double size_px) const;
  std::vector<Placed> place_actors(int index) const;
  void label(const std::vector<Placed>& placed, VideoFrame& frame) const;
  cpu::Affine background_map(int index) const;

  VideoOptions options_;
  double unit_ = 1;  // a pixel of a frame of 320 x 240
  Texture background_;
  std::vector<ViewState> views_;
  std::vector<Actor> actors_;  // lowest first
  Camera camera_;
  int jpeg_quality_ = 90;
};

}  // namespace az::data::synth
