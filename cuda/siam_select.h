// The best cell of a Siamese tracker's score map.
#pragma once

#include "cuda/stream.h"
#include "math/siam_select.h"

namespace az::cuda {

/// For each image the candidate that ranks first (of equal ones the first). Device memory.
/// choices [images]; cells [images, 3]: image, row and column of the candidate's cell
void siam_select(Stream& stream, const math::SiamMaps& maps, math::SiamChoice* choices, int32_t* cells);

}  // namespace az::cuda
