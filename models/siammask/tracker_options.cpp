#include "models/siammask/tracker_options.h"

namespace az::models {

SiamTrackOptions track_options(const SiamTrackerConfig& c) {
  return {.penalty_k = c.penalty_k,
          .window_influence = c.window_influence,
          .lr = c.lr,
          .seg_thr = c.seg_thr,
          .out_size = c.out_size};
}

SiamStepOptions step_options(const SiamMaskConfig& config, DType dtype, bool graphs) {
  SiamStepOptions o{.activations = dtype, .graphs = graphs};
  o.anchors = config.anchors;
  o.geometry.stride = static_cast<int>(config.anchors.stride);
  o.geometry.instance = static_cast<int>(config.tracker.instance_side);
  o.geometry.context = config.tracker.context;
  return o;
}

}  // namespace az::models
