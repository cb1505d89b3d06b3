// A detection as something to draw.
#pragma once

#include "eval/overlay.h"
#include "models/polarmask/detector.h"

namespace az::eval {

/// Polygon, rays from the centre, box, name and score. Coordinates of pixels become those of their middles.
OverlayItem overlay_item(const models::Instance& instance, const std::string& name);

}  // namespace az::eval
