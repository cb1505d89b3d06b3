// A configuration's tracker.
#pragma once

#include "models/siammask/config.h"
#include "models/siammask/search_step.h"
#include "models/siammask/track_state.h"

namespace az::models {

SiamTrackOptions track_options(const SiamTrackerConfig& config);
/// `dtype` of activations; `graphs` on a CUDA device.
SiamStepOptions step_options(const SiamMaskConfig& config, DType dtype, bool graphs);

}  // namespace az::models
