// Masks as polygons that COCO's rasterisation turns back into the very same mask.
#pragma once

#include <vector>

#include "cpu/rle.h"

namespace az::data::synth {

/// One polygon [x0, y0, x1, y1, ...] for each 8-connected part, along the pixels' edges. The borders of holes are
/// joined to the outer one by bridges walked both ways, which the even-odd rule does not see.
std::vector<std::vector<double>> mask_polygons(const cpu::Mask& mask);

}  // namespace az::data::synth
